"""Speed, measured side by side; tests never time anything."""
