// CUDA's words for a C++ compiler: put before a kernel file, it makes a library whose
// kernels run on the processor, block after block.
//
// The threads of a block are fibers of one system thread. A fiber runs one thread after the
// other until one waits at a barrier; then the next fiber takes over. When all threads of the
// block wait, each goes on to the next barrier. So kernels without barriers are plain loops.
// Every thread of the block must reach each barrier; what returns early is an error here
// (on a GPU it works by luck). Running them in `reverse` shows a barrier that is missing:
// the results differ.
#ifdef __APPLE__
#define _XOPEN_SOURCE 700
#define _DARWIN_C_SOURCE
#endif
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#define ON_HOST
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ static thread_local
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __syncthreads() host::barrier()
#define __ldg(address) (*(address))
#define INFINITE ((T)INFINITY)

using std::ceil, std::erf, std::exp, std::expm1, std::fabs, std::floor, std::fma, std::isfinite;
using std::isinf, std::isnan, std::log, std::log1p, std::sqrt, std::tanh;

template <typename A>
inline A min(A a, A b) { return b < a ? b : a; }
template <typename A>
inline A max(A a, A b) { return a < b ? b : a; }
template <typename A>
inline A rsqrt(A a) { return 1 / std::sqrt(a); }
inline unsigned __umulhi(unsigned a, unsigned b) {
    return (unsigned)(((unsigned long long)a * b) >> 32);
}

struct dim3 { unsigned x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };

static thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace host {

// ---- the threads of a block ----------------------------------------------------

// A stack of its own. It is entered once by ucontext, and left and entered again by longjmp,
// which asks nothing of the system.
struct Fiber {
    static constexpr std::size_t STACK = 128 * 1024;
    std::unique_ptr<char[]> stack{new char[STACK]};
    ucontext_t start;
    jmp_buf here;
    bool started = false, waits = false;
    unsigned thread = 0;
};

struct Block {
    std::vector<std::unique_ptr<Fiber>> fibers;  // made once, used for all later blocks
    jmp_buf scheduler;
    Fiber* current = nullptr;
    unsigned next = 0, count = 0;
    bool reverse = false;
    void (*work)(void*) = nullptr;
    void* closure = nullptr;
    const char* error = nullptr;
};
static thread_local Block block;
static thread_local char* dynamic_shared = nullptr;

inline void become(unsigned thread) {
    const unsigned t = block.reverse ? block.count - 1 - thread : thread;
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}

__attribute__((noinline)) inline void leave(Fiber* self) {
    if (!_setjmp(self->here)) _longjmp(block.scheduler, 1);
}

inline void fiber_main() {
    Fiber* self = block.current;
    for (;;) {
        while (block.next < block.count) {
            self->thread = block.next++;
            become(self->thread);
            block.work(block.closure);
        }
        leave(self);  // until a later block has work
    }
}

inline void barrier() {
    Fiber* self = block.current;
    self->waits = true;
    leave(self);
    become(self->thread);
}

__attribute__((noinline)) inline void resume(Fiber* fiber) {
    block.current = fiber;
    fiber->waits = false;
    if (_setjmp(block.scheduler)) return;
    if (fiber->started) _longjmp(fiber->here, 1);
    fiber->started = true;
    getcontext(&fiber->start);
    fiber->start.uc_stack.ss_sp = fiber->stack.get();
    fiber->start.uc_stack.ss_size = Fiber::STACK;
    fiber->start.uc_link = nullptr;
    makecontext(&fiber->start, fiber_main, 0);
    setcontext(&fiber->start);
}

inline void run_block() {
    block.next = 0;
    std::size_t used = 0;
    while (block.next < block.count) {  // every thread up to its first barrier
        if (block.fibers.size() == used) block.fibers.push_back(std::make_unique<Fiber>());
        resume(block.fibers[used++].get());
    }
    for (;;) {
        std::size_t waiting = 0;
        for (std::size_t i = 0; i < used; i++) waiting += block.fibers[i]->waits;
        if (waiting == 0) return;
        if (waiting < block.count) {
            block.error = "some threads of a block wait at a barrier that others never reach";
            block.fibers.clear();
            return;
        }
        for (std::size_t i = 0; i < used; i++) resume(block.fibers[i].get());
    }
}

// ---- calling a kernel with an array of pointers to its arguments, as CUDA does ----

template <typename A>
std::string code() {
    using Plain = std::remove_cv_t<A>;
    if constexpr (std::is_pointer_v<Plain>) {
        return "*" + code<std::remove_pointer_t<Plain>>();
    } else {
        const char kind = std::is_same_v<Plain, bool>         ? 'b'
                          : std::is_floating_point_v<Plain>   ? 'f'
                          : std::is_unsigned_v<Plain>         ? 'u'
                                                              : 'i';
        return kind + std::to_string(sizeof(Plain));
    }
}

template <typename... A>
const char* signature(void (*)(A...)) {
    static const std::string text = ((code<A>() + " ") + ... + "");
    return text.c_str();
}

template <typename... A, std::size_t... I>
const char* launch(void (*kernel)(A...), const unsigned* grid, const unsigned* size,
                   std::size_t shared, int reverse, void** arguments,
                   std::index_sequence<I...>) {
    auto call = [&] { kernel(*static_cast<A*>(arguments[I])...); };
    // Filled with a pattern that is NaN: on a GPU, too, it holds whatever was there.
    std::vector<std::max_align_t> memory(shared / sizeof(std::max_align_t) + 1);
    std::memset(memory.data(), 0xff, memory.size() * sizeof(std::max_align_t));
    dynamic_shared = reinterpret_cast<char*>(memory.data());
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {size[0], size[1], size[2]};
    block.count = size[0] * size[1] * size[2];
    block.reverse = reverse;
    block.work = [](void* closure) { (*static_cast<decltype(call)*>(closure))(); };
    block.closure = &call;
    block.error = nullptr;
    const unsigned blocks = grid[0] * grid[1] * grid[2];
    for (unsigned i = 0; i < blocks && !block.error; i++) {
        const unsigned b = reverse ? blocks - 1 - i : i;
        blockIdx = {b % grid[0], b / grid[0] % grid[1], b / (grid[0] * grid[1])};
        run_block();
    }
    return block.error;
}

template <typename... A>
const char* start(void (*kernel)(A...), const unsigned* grid, const unsigned* size,
                  std::size_t shared, int reverse, void** arguments) {
    return launch(kernel, grid, size, shared, reverse, arguments, std::index_sequence_for<A...>{});
}

}  // namespace host

#define KERNEL(name, parameters)                                                              \
    static void name parameters;                                                              \
    extern "C" const char* signature_##name() { return host::signature(name); }               \
    extern "C" const char* launch_##name(const unsigned* grid_, const unsigned* size_,        \
                                         std::size_t shared_, int reverse_, void** values_) { \
        return host::start(name, grid_, size_, shared_, reverse_, values_);                   \
    }                                                                                         \
    static void name parameters

#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(host::dynamic_shared)
