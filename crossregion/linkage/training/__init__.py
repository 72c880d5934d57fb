"""Linkage models are trained here: offline, from labelled records, never on the stream."""
