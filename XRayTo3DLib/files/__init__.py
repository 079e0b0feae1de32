"""Files on disk: whole or not at all, looked at before they are opened, room asked for, one writer at a time."""

from XRayTo3DLib.files.whole import (
    DOUBLE_SUFFIXES,
    LONGEST_NAME,
    PICKLED_SUFFIXES,
    atomic_path,
    file_suffix,
    read_json,
    read_json_values,
    read_text,
    require_file,
    safe_file_name,
    write_bytes,
    write_json,
    write_text,
    written_together,
)

__all__ = [
    "DOUBLE_SUFFIXES",
    "LONGEST_NAME",
    "PICKLED_SUFFIXES",
    "atomic_path",
    "file_suffix",
    "read_json",
    "read_json_values",
    "read_text",
    "require_file",
    "safe_file_name",
    "write_bytes",
    "write_json",
    "write_text",
    "written_together",
]
