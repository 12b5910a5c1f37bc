// SPDX-License-Identifier: Apache-2.0
//
// Loads and unloads modules, for the guest: under emulation, starting kmod's tools takes longer than what
// they do, several times for each module. Built static by run.
//
//   modules load FILE...      in this order; those that are loaded already are passed over. Prints why it
//                             failed, and stops there.
//   modules unload NAME...    in this order. Prints a line for each: "NAME ok", "NAME busy" or
//                             "NAME error WHY"
//
// Exit status: 0, 1 if a load failed, 2 for bad usage.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(int count, char** files) {
    for (int i = 0; i < count; ++i) {
        const int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        if ((fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0) && errno != EEXIST) {
            printf("%s%s\n", i + 1 < count ? "of a module that it needs: " : "", strerror(errno));
            return 1;
        }
        close(fd);
    }
    return 0;
}

static int unload(int count, char** names) {
    for (int i = 0; i < count; ++i) {
        if (syscall(SYS_delete_module, names[i], O_NONBLOCK) == 0)
            printf("%s ok\n", names[i]);
        else if (errno == EWOULDBLOCK)
            printf("%s busy\n", names[i]);
        else
            printf("%s error %s\n", names[i], strerror(errno));
    }
    return 0;
}

int main(int argc, char** argv) {
    if (argc > 2 && strcmp(argv[1], "load") == 0)
        return load(argc - 2, argv + 2);
    if (argc > 2 && strcmp(argv[1], "unload") == 0)
        return unload(argc - 2, argv + 2);
    return 2;
}
