/* The service of the scale measurements, as thin as a process can be: no libc, no start-up.
 *
 * Without arguments it says that it is ready (a newline on descriptor 3) and waits for signals. With the
 * path of a FIFO it first writes there when its first instruction ran: seconds and nanoseconds of
 * CLOCK_MONOTONIC, 16 bytes. */

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>

static long call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

__attribute__((used)) static void start(long *stack)
{
    struct timespec now;
    if (stack[0] > 1) {
        call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0);
        long fifo = call(SYS_open, stack[2], O_WRONLY, 0);
        call(SYS_write, fifo, (long)&now, sizeof now);
        call(SYS_close, fifo, 0, 0);
    }
    call(SYS_write, 3, (long)"\n", 1);
    call(SYS_close, 3, 0, 0);
    for (;;)
        call(SYS_pause, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
