// SPDX-License-Identifier: Apache-2.0
//
// embed NAME OUTPUT STRIP COMPILER ARGUMENTS...: runs a compiler that writes OUTPUT.o, takes its debug information away with STRIP, and
// writes a Swift source that holds what is left, as `enum NAME`. Runs while the package is built, and only then.
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int failed(const char *doing, const char *path) {
    fprintf(stderr, "embed: cannot %s %s: %s\n", doing, path, strerror(errno));
    return 1;
}

static int run(char **arguments) {
    pid_t child;
    int status;
    errno = posix_spawn(&child, arguments[0], NULL, NULL, arguments, environ);
    if (errno) return failed("run", arguments[0]);
    if (waitpid(child, &status, 0) != child) return failed("wait for", arguments[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    // The compiler has said what is wrong, where it could.
    fprintf(stderr, "embed: %s failed; the programs for the kernel need clang with the bpf target and libbpf's headers (libbpf-dev)\n",
            arguments[0]);
    return 1;
}

int main(int count, char **arguments) {
    if (count < 5) {
        fprintf(stderr, "usage: embed NAME OUTPUT STRIP COMPILER ARGUMENTS...\n");
        return 64;
    }
    const char *name = arguments[1], *path = arguments[2];
    char object[4096];
    if (snprintf(object, sizeof(object), "%s.o", path) >= (int)sizeof(object)) return 64;
    char **compile = calloc((size_t)count + 2, sizeof(*compile));
    if (!compile) return failed("remember", "arguments");
    memcpy(compile, arguments + 4, (size_t)(count - 4) * sizeof(*compile));
    compile[count - 4] = "-o";
    compile[count - 3] = object;
    if (run(compile)) return 1;
    if (run((char *[]){arguments[3], "--strip-debug", object, NULL})) return 1;

    FILE *input = fopen(object, "rb");
    if (!input) return failed("read", object);
    FILE *output = fopen(path, "wb");
    if (!output) return failed("write", path);
    // Two letters for each byte, the high half first: the compiler takes a long string in no time and a long array of numbers in minutes.
    fprintf(output, "// Written by the build; do not edit.\n\nenum %s {\n    static let letters: StaticString = \"", name);
    for (int byte; (byte = getc(input)) != EOF;) fprintf(output, "%c%c", 'a' + (byte >> 4), 'a' + (byte & 15));
    fprintf(output, "\"\n}\n");
    if (ferror(input)) return failed("read", object);
    if (ferror(output) || fclose(output)) return failed("write", path);
    unlink(object);
    return 0;
}
