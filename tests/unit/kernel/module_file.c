// SPDX-License-Identifier: Apache-2.0
//
// As much of a module's file as its readers look at. The lines of the calls are told by the test.
#define MODULE_INFO(name, text) \
    __attribute__((section(".modinfo"), used, aligned(1))) static const char name[] = #name "=" text

MODULE_INFO(license, "GPL");
MODULE_INFO(srcversion, "0123456789ABCDEF01234567");
MODULE_INFO(vermagic, "6.1.0-1-amd64 SMP preempt mod_unload modversions ");

void add_timer(void *timer);
int m_init(void);
int m_probe(void);

__attribute__((noinline, section(".init.text"))) int m_init(void) {
    static int timer;
    add_timer(&timer); // line 17
    return timer;
}

__attribute__((noinline)) int m_probe(void) {
    static int timer;
    add_timer(&timer); // line 23
    timer++;
    add_timer(&timer); // line 25
    return timer;
}
