// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the kernel to unload modules in ways that rmmod does not:
 *
 *   delete_module absent NAME    its name lies in memory that is still to be fetched
 *   delete_module changing A B   while another thread writes A and B in turns where the name is, again
 *                                and again for some seconds
 *   delete_module once NAME      though it is in use, of which rmmod would keep it
 *   delete_module unprivileged NAME  as a user who may not, many times
 *   delete_module wide NAME      by a system call number whose register holds more than the number
 *   delete_module timers COUNT   none: sets as many timers of its own, says so, and waits to be ended
 *
 * Says what came of it, in one line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64
#define SECONDS 5

static int delete_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

static int absent(const char *name)
{
	char path[] = "/tmp/name-XXXXXX";
	char padded[4096] = { 0 };
	int fd = mkstemp(path);
	char *page;

	strncpy(padded, name, NAME_MAX_BYTES - 1);
	if (fd < 0 || write(fd, padded, sizeof(padded)) != sizeof(padded))
		return 1;
	/* Nobody has touched it through this mapping. */
	page = mmap(NULL, sizeof(padded), PROT_READ, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		return 1;
	printf("%s\n", strerror(delete_module(page)));
	return 0;
}

static char shared[NAME_MAX_BYTES];
static char names[2][NAME_MAX_BYTES];
static volatile int done;

static void *change(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; !done; i++)
		memcpy(shared, names[i % 2], sizeof(shared));
	return NULL;
}

static int changing(const char *one, const char *other)
{
	unsigned long denied = 0, absent_ones = 0, others = 0;
	time_t end = time(NULL) + SECONDS;
	pthread_t changer;

	strncpy(names[0], one, NAME_MAX_BYTES - 1);
	strncpy(names[1], other, NAME_MAX_BYTES - 1);
	memcpy(shared, names[0], sizeof(shared));
	if (pthread_create(&changer, NULL, change, NULL))
		return 1;
	while (time(NULL) < end) {
		int error = delete_module(shared);

		if (error == EPERM)
			denied++;
		else if (error == ENOENT)
			absent_ones++;
		else
			others++;
	}
	done = 1;
	pthread_join(changer, NULL);
	printf("denied %lu, not loaded %lu, else %lu\n", denied, absent_ones, others);
	return 0;
}

static int unprivileged(const char *name)
{
	if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		return 1;
	for (int i = 0; i < 1000; i++) {
		if (delete_module(name) != EPERM)
			return 1;
	}
	printf("never\n");
	return 0;
}

static int wide(const char *name)
{
	long result;

#if defined(__x86_64__)
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(0xdead000000000000UL | SYS_delete_module), "D"(name), "S"((long)O_NONBLOCK)
			 : "rcx", "r11", "memory");
#else
	result = -delete_module(name);
#endif
	printf("%s\n", strerror((int)-result));
	return 0;
}

static int timers(unsigned long count)
{
	struct rlimit files = { count + 64, count + 64 };

	if (setrlimit(RLIMIT_NOFILE, &files))
		return 1;
	for (unsigned long i = 0; i < count; i++) {
		/* Each on its own: one a second, an hour from now on. */
		struct itimerspec when = { .it_value.tv_sec = 3600 + (long)i };
		int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

		if (fd < 0 || timerfd_settime(fd, 0, &when, NULL))
			return 1;
	}
	printf("set\n");
	fflush(stdout);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "absent"))
		return absent(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "changing"))
		return changing(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "once")) {
		printf("%s\n", strerror(delete_module(argv[2])));
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "unprivileged"))
		return unprivileged(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "wide"))
		return wide(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "timers"))
		return timers(strtoul(argv[2], NULL, 10));
	return 2;
}
