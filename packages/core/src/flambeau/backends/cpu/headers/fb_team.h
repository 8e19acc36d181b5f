/* Threads that work together through many short steps, meeting after each: recurrent layers.
 *
 *   static void member(void *context, struct team *team, int rank) {
 *     for (...) { part rank of team->size; team_meet(team); }
 *   }
 *   team_run(member, &context, most);
 *
 * A share of the pool's range is a promise to begin at once, not that others do: so the first to come waits a little for
 * the others and then shuts the door. Who is inside is at work and may be waited for; the team may be one thread. A rank
 * keeps its part through all steps, which stays in its core's cache. Waiting is spinning, which gives way to other
 * programs after a while. Results must not depend on the size of the team. A member that gets no memory to work in leaves, and
 * the others leave where they would meet it.
 */
#ifndef FB_TEAM_H
#define FB_TEAM_H
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#define TEAM_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define TEAM_PAUSE() __asm__ volatile("yield")
#else
#define TEAM_PAUSE() ((void)0)
#endif
#define TEAM_SHUT (1 << 20)
#define TEAM_PATIENCE 200000 /* ns to wait for the others: waking a sleeping thread takes 15 to 60 us */

struct team {
  void (*member)(void *context, struct team *team, int rank);
  void *context;
  int most, size;
  atomic_int inside, open;
  char apart[64];
  atomic_int arrived;
  char far_apart[64];
  atomic_uint round;
  atomic_int left; /* whether a member has given up */
};

INLINE int64_t team_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Spins, and lets others run where that lasts. */
INLINE void team_rest(int64_t look) {
  TEAM_PAUSE();
  if (look % 1024 == 0) sched_yield();
}

/* Returns when all ranks have come here; what they wrote before is seen by all. */
INLINE void team_meet(struct team *team) {
  if (team->size == 1) return;
  const unsigned round = atomic_load_explicit(&team->round, memory_order_acquire);
  if (atomic_fetch_add(&team->arrived, 1) == team->size - 1) {
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&team->round, round + 1, memory_order_release);
    return;
  }
  for (int64_t look = 1; atomic_load_explicit(&team->round, memory_order_acquire) == round; ++look) {
    if (atomic_load_explicit(&team->left, memory_order_relaxed)) fb->give_up();
    team_rest(look);
  }
}

static void team_work(struct team *team, int rank) {
  struct fb_frame here, **const top = fb->frame();
  here.outer = *top;
  if (_setjmp(here.place)) {
    *fb->frame() = here.outer;
    atomic_store(&team->left, 1);
    fb->give_up();
  }
  *top = &here;
  team->member(team->context, team, rank);
  *top = here.outer;
}

static void team_task(void *context, int64_t begin, int64_t end) {
  struct team *team = context;
  (void)end;
  if (begin > 0) {
    const int before = atomic_fetch_add(&team->inside, 1);
    if (before & TEAM_SHUT) return;
    for (int64_t look = 1; !atomic_load(&team->open); ++look) team_rest(look);
    team_work(team, before + 1);
    return;
  }
  const int64_t until = team_now() + TEAM_PATIENCE;
  for (int look = 1; atomic_load(&team->inside) < team->most - 1; ++look) {
    TEAM_PAUSE();
    if (look % 64 == 0 && team_now() > until) break;
  }
  team->size = 1 + atomic_fetch_or(&team->inside, TEAM_SHUT);
  atomic_store(&team->open, 1);
  team_work(team, 0);
}

/* Runs member(context, team, rank) on up to `most` threads at once; returns when all are done. Not from inside a task. */
INLINE void team_run(void (*member)(void *, struct team *, int), void *context, int64_t most) {
  struct team team = {.member = member, .context = context, .size = 1};
  team.most = (int)MIN(most, (int64_t)fb->threads());
  if (team.most <= 1) member(context, &team, 0);
  else PARALLEL(team_task, &team, team.most, 1);
}

/* The part of `count` things that a rank has. */
INLINE int64_t team_from(const struct team *team, int64_t count, int rank) { return count * rank / team->size; }
#endif
