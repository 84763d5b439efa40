"""The outside libraries that carry requests, one file each; foreign exceptions end there."""
