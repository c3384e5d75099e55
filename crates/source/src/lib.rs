//! Files, spans, YAML nodes and diagnostics.
