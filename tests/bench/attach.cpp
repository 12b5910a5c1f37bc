// SPDX-License-Identifier: Apache-2.0
//
// Usage: disarmd_attach FILE.bpf.o [SECTION]
//
// Attaches every program of the file, or those in sections whose names begin so, says "attached", and keeps
// them so until it is ended.
#include <cstdio>
#include <string_view>

#include <bpf/libbpf.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::fprintf(stderr, "usage: disarmd_attach FILE.bpf.o [SECTION]\n");
        return 2;
    }
    const std::string_view section = argc == 3 ? argv[2] : "";
    bpf_object* const object = bpf_object__open_file(argv[1], nullptr);
    if (object == nullptr) {
        std::perror(argv[1]);
        return 1;
    }
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
        const auto wanted = std::string_view(bpf_program__section_name(program)).starts_with(section);
        bpf_program__set_autoload(program, wanted);
    }
    if (bpf_object__load(object) != 0) {
        std::perror(argv[1]);
        return 1;
    }
    bpf_object__for_each_program(program, object) {
        if (bpf_program__autoload(program) && bpf_program__attach(program) == nullptr) {
            std::perror(bpf_program__name(program));
            return 1;
        }
    }
    std::puts("attached");
    std::fflush(stdout);
    for (;;)
        ::pause();
}
