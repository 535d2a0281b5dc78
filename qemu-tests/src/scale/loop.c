/* What any supervisor has to do at least: vfork, execve, wait. It has no services, no logs, no control
 * and no state; the difference to it is what a supervisor costs.
 *
 * usage: loop [-s] flat N PROGRAM    start N, then wait until each has said that it is ready
 *        loop [-s] chain N PROGRAM   start N, each when the one before is ready
 *        loop [-s] respawn PROGRAM FIFO   start one again and again; says its pid when it is ready
 *        loop kill PID FIFO   kill it; says the nanoseconds until the next one's first instruction
 *
 * With -s each process gets a session of its own, as services do; the kernel may give each session a
 * group of the scheduler (CONFIG_SCHED_AUTOGROUP), which is felt. The first two say "ready", and all go
 * on until standard input ends. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int sessions;

static void fail(const char *what)
{
    perror(what);
    exit(111);
}

/* One process with a pipe at descriptor 3; answers the end to read. */
static int start(char **argv, pid_t *pid)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        fail("pipe2");
    *pid = vfork();
    if (*pid < 0)
        fail("vfork");
    if (*pid == 0) {
        if (sessions)
            setsid();
        if (ends[1] == 3)
            fcntl(3, F_SETFD, 0);
        else
            dup2(ends[1], 3);
        execv(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    return ends[0];
}

static void wait_ready(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 1 || byte != '\n')
        fail("read");
    close(fd);
}

static int flat_or_chain(int chain, int count, char **program)
{
    pid_t *pids = calloc(count, sizeof *pids);
    int *fds = calloc(count, sizeof *fds);
    for (int i = 0; i < count; i++) {
        fds[i] = start(program, &pids[i]);
        if (chain)
            wait_ready(fds[i]);
    }
    for (int i = 0; i < count && !chain; i++)
        wait_ready(fds[i]);
    puts("ready");
    fflush(stdout);
    getchar();
    for (int i = 0; i < count; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    return 0;
}

static int respawn(char **program)
{
    for (;;) {
        pid_t pid;
        wait_ready(start(program, &pid));
        printf("%d\n", (int)pid);
        fflush(stdout);
        if (waitpid(pid, NULL, 0) < 0)
            fail("waitpid");
    }
}

static int kill_and_look(pid_t pid, const char *path)
{
    struct timespec before, first;
    /* For writing, too, so that reading waits until the next one has written, fifo(7). */
    int fifo = open(path, O_RDWR);
    if (fifo < 0)
        fail(path);
    clock_gettime(CLOCK_MONOTONIC, &before);
    if (kill(pid, SIGKILL) < 0)
        fail("kill");
    if (read(fifo, &first, sizeof first) != sizeof first)
        fail("read");
    printf("%lld\n", (first.tv_sec - before.tv_sec) * 1000000000LL + first.tv_nsec - before.tv_nsec);
    return 0;
}

int main(int argc, char **argv)
{
    sessions = argc > 1 && strcmp(argv[1], "-s") == 0;
    argc -= sessions;
    argv += sessions;
    if (argc < 4)
        return 100;
    if (strcmp(argv[1], "kill") == 0)
        return kill_and_look(atoi(argv[2]), argv[3]);
    if (strcmp(argv[1], "respawn") == 0)
        return respawn(argv + 2);
    return flat_or_chain(strcmp(argv[1], "chain") == 0, atoi(argv[2]), argv + 3);
}
