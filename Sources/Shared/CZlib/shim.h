#pragma once
#include <zlib.h>

// deflateInit2 and inflateInit2 are macros that Swift does not see. Window bits 15 + 16: gzip framing, no zlib, no raw.
static inline int meshgate_gzip_writer_init(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
static inline int meshgate_gzip_reader_init(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
