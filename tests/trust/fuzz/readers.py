"""All readers, in the order of the table."""

from __future__ import annotations

from tests.trust.fuzz import data_files, model_files, tfds_files, training_files
from tests.trust.fuzz.reader import Reader

READERS: dict[str, type[Reader]] = {
    reader.name: reader
    for reader in (
        model_files.WeightsFile,
        model_files.LegacyWeights,
        model_files.ModelFile,
        model_files.KerasFile,
        model_files.Configuration,
        training_files.Backup,
        training_files.Features,
        training_files.Run,
        training_files.Log,
        data_files.Idx,
        data_files.Checksums,
        data_files.ImageFile,
        tfds_files.Tfds,
    )
}
