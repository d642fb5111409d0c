// shows: a use after free at the end: main deletes the queue when all blocks are done, while a consumer comes back to it once more.
// fails: signal 6
// preemptions: 1
// source: pbzip2 0.9.4, fifo->mut used after queueDelete, in SCTBench as CB.pbzip2-0.9.4
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "bug.h"

enum { BLOCKS = 2, ALIVE = 0x51e7e };
struct queue {
  int alive, count, closed;
  pthread_mutex_t lock;
  pthread_cond_t filled;
};

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
static int blocks_done;

static int next_block(struct queue *queue) {
  pthread_mutex_lock(&queue->lock); // RACE:1
  if (queue->alive != ALIVE) fail("the queue is used after it was deleted");
  while (queue->count == 0 && !queue->closed) pthread_cond_wait(&queue->filled, &queue->lock);
  int block = queue->count > 0 ? queue->count-- : 0;
  pthread_mutex_unlock(&queue->lock);
  return block;
}

// All but the lock is poisoned: who comes late fails, and does not wait.
static void delete_queue(struct queue *queue) { poison(queue, offsetof(struct queue, lock)); }

static void *consume(void *argument) {
  while (next_block(argument) != 0) {
    pthread_mutex_lock(&done_lock);
    blocks_done++;
    pthread_cond_signal(&progress);
    pthread_mutex_unlock(&done_lock);
  }
  return NULL;
}

static void *write_file(void *argument) {
  pthread_mutex_lock(&done_lock);
  while (blocks_done < BLOCKS) pthread_cond_wait(&progress, &done_lock);
  pthread_mutex_unlock(&done_lock);
  int output = open("/dev/null", O_WRONLY);
  dprintf(output, "%d blocks\n", BLOCKS);
  close(output);
  return argument;
}

int main(void) {
  struct queue *queue = malloc(sizeof *queue);
  if (queue == NULL) give_up("malloc");
  *queue = (struct queue){ALIVE, 0, 0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
  pthread_t consumer = start(consume, queue), writer = start(write_file, NULL);
  pthread_mutex_lock(&queue->lock);
  queue->count = BLOCKS;
  queue->closed = 1;
  pthread_cond_signal(&queue->filled);
  pthread_mutex_unlock(&queue->lock);
  finish(writer);
#ifdef FIXED
  finish(consumer);
  delete_queue(queue);
#else
  delete_queue(queue); // RACE:2
  finish(consumer);
#endif
  free(queue);
  return 0;
}
