// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CHostTrace.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// libbpf tells why it failed by printing, and only so: its functions return a number. What it prints can be long, as the verifier's log of a
// program is in it, and what counts stands at its end.
static __thread char words[4096];

static int keep(enum libbpf_print_level level, const char *format, va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    char *text;
    int length = vasprintf(&text, format, arguments);
    if (length < 0) return 0;
    size_t room = sizeof(words) - 1, used = strlen(words), more = (size_t)length;
    const char *from = text;
    if (more > room) {
        from += more - room;
        more = room;
    }
    if (used + more > room) {
        size_t gone = used + more - room;
        memmove(words, words + gone, used - gone + 1);
        used -= gone;
    }
    memcpy(words + used, from, more + 1);
    free(text);
    return length;
}

void meshgate_bpf_quiet(void) { libbpf_set_print(keep); }

void meshgate_bpf_words(char *text, unsigned long capacity) {
    if (!capacity) return;
    size_t length = strlen(words), count = length < capacity - 1 ? length : capacity - 1;
    memcpy(text, words + (length - count), count);
    text[count] = 0;
    words[0] = 0;
}
