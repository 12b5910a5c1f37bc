// SPDX-License-Identifier: Apache-2.0
//
// The guest's insmod and rmmod. kmod's take longer to start, under emulation, than the kernel
// takes to load a module.
//   insmod FILE [PARAMETER=VALUE]...
//   rmmod MODULE...
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(int argc, char **argv)
{
	char parameters[4096] = "";
	size_t used = 0;
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);

	for (int i = 2; i < argc; i++) {
		size_t length = strlen(argv[i]);

		if (used + length + 2 > sizeof(parameters)) {
			fprintf(stderr, "insmod: too many parameters\n");
			return 1;
		}
		memcpy(parameters + used, argv[i], length);
		used += length;
		parameters[used++] = ' ';
	}
	if (fd < 0 || syscall(SYS_finit_module, fd, parameters, 0) != 0) {
		fprintf(stderr, "insmod: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	int status = 0;

	name = name ? name + 1 : argv[0];
	if (argc < 2) {
		fprintf(stderr, "usage: insmod FILE [PARAMETER=VALUE]...\n       rmmod MODULE...\n");
		return 2;
	}
	if (strcmp(name, "insmod") == 0)
		return load(argc, argv);
	for (int i = 1; i < argc; i++) {
		if (syscall(SYS_delete_module, argv[i], O_NONBLOCK) == 0)
			continue;
		fprintf(stderr, "rmmod: %s: %s\n", argv[i], strerror(errno));
		status = 1;
	}
	return status;
}
