// SPDX-License-Identifier: Apache-2.0
//
// Modules as a compiler for the kernel makes them, one for each CASE_; what they call stays unresolved. What is expected of
// each is in preflight_test.cpp.
#define MODULE_INFO(name, text) \
    __attribute__((section(".modinfo"), used, aligned(1))) static const char info_##name[] = #name "=" text

MODULE_INFO(name, "cases");
MODULE_INFO(srcversion, "0123456789ABCDEF01234567");
MODULE_INFO(vermagic, "6.1.0-1-amd64 SMP preempt mod_unload modversions ");

// As large as the kernel's, and laid out like them where it matters.
struct timer_list {
    void *next, **previous;
    unsigned long expires;
    void (*function)(struct timer_list *);
    unsigned int flags;
};
struct work_struct {
    long data;
    void *next, *previous;
    void (*func)(struct work_struct *);
};
struct delayed_work {
    struct work_struct work;
    struct timer_list timer;
    void *wq;
    int cpu;
};
struct hrtimer {
    char node[0x28];
    int (*function)(struct hrtimer *);
    char rest[16];
};

void add_timer(struct timer_list *timer);
int mod_timer(struct timer_list *timer, unsigned long expires);
int timer_delete(struct timer_list *timer);
int timer_delete_sync(struct timer_list *timer);
void init_timer_key(struct timer_list *timer, void (*function)(struct timer_list *), unsigned int flags, const char *name, void *key);
void delayed_work_timer_fn(struct timer_list *timer);
int queue_delayed_work_on(int cpu, void *queue, struct delayed_work *work, unsigned long delay);
int cancel_delayed_work_sync(struct delayed_work *work);
void hrtimer_init(struct hrtimer *timer, int clock, int mode);
void hrtimer_start_range_ns(struct hrtimer *timer, long when, unsigned long range, int mode);
int hrtimer_cancel(struct hrtimer *timer);
void *kmalloc(unsigned long size);
void kfree(const void *object);
int _printk(const char *text, ...);
int register_thing(const void *operations);
void unregister_thing(const void *operations);
void keep_timer(void *timer);
void wait_for_completion(void *completion);
void complete(void *completion);
extern unsigned long jiffies;
extern void *system_wq;

#define HIDDEN __attribute__((noinline, used)) static
#define INIT __attribute__((section(".init.text"))) int init_module(void)
#define EXIT __attribute__((section(".exit.text"))) void cleanup_module(void)

int init_module(void);
void cleanup_module(void);

HIDDEN void callback(struct timer_list *timer) {
    _printk("fired %p\n", (void *)timer);
}

#if !defined(CASE_HRTIMER) && !defined(CASE_WORK) && !defined(CASE_AT_ONCE) && !defined(CASE_SET_UP_WORK)
__attribute__((unused)) static struct timer_list timer = {.function = callback};
#endif

#ifdef CASE_NEVER_DELETED
INIT {
    mod_timer(&timer, jiffies + 1000);
    return 0;
}
EXIT {
    _printk("bye\n");
}
#endif

#ifdef CASE_OTHER_DELETED
static struct timer_list other = {.function = callback};
INIT {
    mod_timer(&timer, jiffies + 1000);
    mod_timer(&other, jiffies + 1000);
    return 0;
}
EXIT {
    timer_delete_sync(&other);
}
#endif

#ifdef CASE_DELETED
// Through calls that are resolved before any relocation.
HIDDEN void stop_it(void) {
    _printk("stop\n");
    timer_delete_sync(&timer);
    _printk("stopped\n");
}
HIDDEN void stop(void) {
    _printk("to be stopped\n");
    stop_it();
    _printk("all stopped\n");
}
INIT {
    mod_timer(&timer, jiffies + 1000);
    return 0;
}
EXIT {
    stop();
    _printk("bye\n");
}
#endif

#ifdef CASE_ALLOCATED
static struct object {
    long number;
    struct timer_list timer;
} *object;
INIT {
    object = kmalloc(sizeof(*object));
    init_timer_key(&object->timer, callback, 0, "", 0);
    add_timer(&object->timer);
    return 0;
}
EXIT {
    kfree(object);
}
#endif

#ifdef CASE_ESCAPES
INIT {
    mod_timer(&timer, jiffies + 1000);
    keep_timer(&timer);
    return 0;
}
EXIT {
    _printk("bye\n");
}
#endif

#ifdef CASE_WAITS
static char completion[32];
HIDDEN void last_callback(struct timer_list *unused) {
    (void)unused;
    complete(completion);
}
INIT {
    init_timer_key(&timer, last_callback, 0, "", 0);
    mod_timer(&timer, jiffies + 10);
    return 0;
}
EXIT {
    wait_for_completion(completion);
}
#endif

#ifdef CASE_BY_POINTER
HIDDEN void removed(void) {
    timer_delete_sync(&timer);
}
HIDDEN void probed(void) {
    mod_timer(&timer, jiffies + 1000);
}
static const struct {
    void (*probe)(void);
    void (*remove)(void);
} operations = {probed, removed};
INIT {
    return register_thing(&operations);
}
EXIT {
    unregister_thing(&operations);
}
#endif

#ifdef CASE_NOT_REACHED
__attribute__((section(".init.text"), noinline)) static int second_step(void) {
    int error = register_thing(0);

    if (error)
        timer_delete_sync(&timer);
    return error;
}
INIT {
    mod_timer(&timer, jiffies + 1000);
    return second_step();
}
EXIT {
    _printk("bye\n");
}
#endif

#ifdef CASE_RACE
HIDDEN void again(struct timer_list *unused) {
    _printk("again\n");
    mod_timer(unused, jiffies + 10);
}
INIT {
    init_timer_key(&timer, again, 0, "", 0);
    mod_timer(&timer, jiffies + 10);
    return 0;
}
EXIT {
    timer_delete(&timer);
}
#endif

#ifdef CASE_LAST_WORD
HIDDEN void again(struct timer_list *unused) {
    _printk("again\n");
    mod_timer(unused, jiffies + 10);
}
INIT {
    init_timer_key(&timer, again, 0, "", 0);
    mod_timer(&timer, jiffies + 10);
    return 0;
}
EXIT {
    timer_delete_sync(&timer);
    _printk("deleted once\n");
    timer_delete(&timer);
    _printk("deleted twice\n");
}
#endif

#ifdef CASE_NO_RACE
HIDDEN void again(struct timer_list *unused) {
    _printk("again\n");
    mod_timer(unused, jiffies + 10);
}
INIT {
    init_timer_key(&timer, again, 0, "", 0);
    mod_timer(&timer, jiffies + 10);
    return 0;
}
EXIT {
    timer_delete(&timer);
    timer_delete_sync(&timer);
}
#endif

#ifdef CASE_INIT_FAILS
INIT {
    int error;

    mod_timer(&timer, jiffies + 1000);
    error = register_thing(&timer);
    if (error)
        return error;
    _printk("hello\n");
    return 0;
}
EXIT {
    timer_delete_sync(&timer);
}
#endif

#ifdef CASE_INIT_CLEANS_UP
INIT {
    int error;

    error = register_thing(0);
    if (error)
        return error;
    mod_timer(&timer, jiffies + 1000);
    error = register_thing(&timer);
    if (error)
        timer_delete_sync(&timer);
    return error;
}
EXIT {
    timer_delete_sync(&timer);
}
#endif

#ifdef CASE_NO_EXIT
INIT {
    mod_timer(&timer, jiffies + 1000);
    return 0;
}
#endif

#ifdef CASE_HRTIMER
static struct hrtimer clock;
HIDDEN int tick(struct hrtimer *unused) {
    (void)unused;
    return _printk("tick\n");
}
INIT {
    hrtimer_init(&clock, 1, 1);
    clock.function = tick;
    hrtimer_start_range_ns(&clock, 1000, 0, 1);
    return 0;
}
EXIT {
    _printk("bye\n");
}
#endif

#if defined(CASE_WORK) || defined(CASE_AT_ONCE)
HIDDEN void work_function(struct work_struct *work) {
    _printk("works %p\n", (void *)work);
}
static struct delayed_work work = {
    .work = {.next = &work.work.next, .previous = &work.work.next, .func = work_function},
    .timer = {.function = delayed_work_timer_fn},
};
INIT {
#ifdef CASE_AT_ONCE
    queue_delayed_work_on(0, system_wq, &work, 0);
#else
    queue_delayed_work_on(0, system_wq, &work, 1000);
#endif
    return 0;
}
EXIT {
    _printk("bye\n");
}
#endif

#ifdef CASE_SET_UP_WORK
static struct object {
    long number;
    struct delayed_work work;
} *object;
HIDDEN void work_function(struct work_struct *work) {
    _printk("works %p\n", (void *)work);
}
INIT {
    object = kmalloc(sizeof(*object));
    object->work.work.func = work_function;
    init_timer_key(&object->work.timer, delayed_work_timer_fn, 0, "", 0);
    queue_delayed_work_on(0, system_wq, &object->work, 1000);
    return 0;
}
EXIT {
    cancel_delayed_work_sync(&object->work);
    kfree(object);
}
#endif

#ifdef CASE_MANY_CALLS
INIT {
    asm volatile(".rept 4200\n call mod_timer\n .endr");
    return 0;
}
EXIT {
}
#endif

#ifdef CASE_MANY_BLOCKS
HIDDEN void busy(void) {
    asm volatile(".rept 120000\n jne .\n .endr");
}
INIT {
    mod_timer(&timer, jiffies + 1000);
    return 0;
}
EXIT {
    busy();
    timer_delete_sync(&timer);
}
#endif
