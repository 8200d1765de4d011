/* The service, inside. Three threads meet here: the loop's hands over jobs and takes completions, the writer's and the
 * reader's do the work. Each of the three locks guards lists and numbers only and is never held across I/O, but
 * `journal_lock`, which the reader holds while it reads and the writer while it replaces the journal; the loop's thread
 * never takes that one. */
#ifndef SUT_JOURNAL_SERVICE_PARTS_H
#define SUT_JOURNAL_SERVICE_PARTS_H

#include "base/arena.h"
#include "batch.h"
#include "journal/service.h"
#include "port.h"

#include <pthread.h>

#define COMMIT_EVENTS 4096
#define COMMIT_BYTES  (1u << 20)
#define READS_MAX     1024
#define STORES_MAX    65536 /* values and dead letters that wait */

typedef enum write_kind { WRITE_PUBLISH, WRITE_PUT, WRITE_DEAD_PUT, WRITE_DEAD_REMOVE } write_kind;

/* What waits for the writer, in one allocation with all that it points to. */
typedef struct write_job {
    sut_node node;
    write_kind kind;
    uint64_t tag;
    size_t count, bytes; /* events, values or ids; for the queue's bound */
    sut_journal_event *events;
    sut_append_result *results;
    sut_journal_value *values;
    sut_dead_letter dead;
    uint64_t *ids;
    bool faulty;
    sut_publish_fault fault; /* strings in the completion's arena */
    sut_status status;       /* of a store */
    uint64_t id;
} write_job;

/* What comes back to the loop, in order. */
typedef enum completion_kind { DONE_COMMIT, DONE_READ, DONE_CHANGED } completion_kind;
struct commit_batch;
typedef struct completion {
    sut_node node;
    completion_kind kind;
    sut_journal_batch *batch;    /* events that became part of the log, or were read; owned */
    struct commit_batch *commit; /* DONE_COMMIT: the same batch, with the jobs that it owns; NULL: released events */
    uint64_t tag, oldest;
    sut_status status;
} completion;

/* The jobs of one commit, and those of their events that became part of the log. */
typedef struct commit_batch {
    journal_batch base;
    sut_node jobs;    /* write_job */
    sut_arena *arena; /* of faults and keys */
    sut_journal_event events[];
} commit_batch;

typedef struct read_job {
    completion done; /* first: freed as a completion */
    sut_node node;
    sut_journal_query query;
} read_job;

/* Outlives the service while its task is still in the loop's queue. */
typedef struct mailbox {
    pthread_mutex_t lock;
    sut_task task;
    sut_node done;    /* completion */
    sut_node queries; /* sut_journal_job that are done */
    bool posted, delivering;
    sut_loop *loop;
    sut_farewell farewell;        /* it is left, but its task has not run */
    sut_journal_service *service; /* NULL: it is gone; the loop's thread only */
} mailbox;

struct sut_journal_service {
    const sut_journal_service_ops *ops;
    void *app;
    sut_journal *(*reopen)(void *app);
    sut_journal_service_options opt;
    mailbox *box;

    sut_journal *journal; /* NULL while it is being opened again */
    pthread_mutex_t journal_lock;

    pthread_mutex_t write_lock;
    pthread_cond_t write_wake;
    sut_node writes; /* write_job */
    uint32_t stores_waiting;
    bool stopping;
    sut_journal_service_stats stats; /* under write_lock */
    pthread_t writer;

    pthread_mutex_t read_lock;
    pthread_cond_t read_wake;
    sut_node reads;   /* read_job */
    sut_node queries; /* sut_journal_job, the caller's */
    uint32_t reads_waiting, queries_waiting;
    bool read_stopping;
    pthread_t reader;
};

completion *completion_new(completion_kind kind); /* waits for memory: an answer must not be lost */
void *service_patient_alloc(size_t bytes);        /* zeroed; waits, too */
void completion_free(completion *c);
void service_complete(sut_journal_service *s, completion *c); /* any thread; takes it over */
void service_query_done(sut_journal_service *s, sut_journal_job *job);
mailbox *mailbox_new(sut_loop *loop, sut_journal_service *s);
void mailbox_leave(mailbox *box); /* by the loop's thread: nothing is delivered any more */

void *service_writer(void *arg);
void *service_reader(void *arg);

typedef struct writer_state {
    sut_journal_service *s;
    sut_arena *scratch;                          /* of one check */
    int64_t next_due_us;                         /* of delayed events */
    uint64_t retain_at_ns, settle_at_ns, oldest; /* settle_at_ns: UINT64_MAX if nothing was published since */
    int64_t start_us;                            /* the wall clock … */
    uint64_t start_ns;                           /* … and the other one, when this began */
    uint64_t told;                               /* the loop knows of all sequences below it */
    sut_status fault;                            /* 0, or why nothing can be written; what stats.writable says */
    uint64_t try_at_ns;                          /* while there is a fault: when it is looked at again … */
    uint64_t pause_ns;                           /* … and how long after that */
    bool broken;                                 /* the journal must be closed and opened again */
} writer_state;
void writer_commit(writer_state *w, sut_node *jobs); /* service_commit.c */
void writer_set_writable(writer_state *w, sut_status status, const char *why);
/* service_repair.c */
void writer_failed(writer_state *w, sut_status status); /* of a write; takes the journal's last error for its reason */
void writer_repair(writer_state *w);                    /* when it is time; nothing if nothing is wrong */
/* Checks the events of a publish by ops.check: service_check.c. */
void writer_check(writer_state *w, write_job *job, sut_arena *keep);
void writer_refuse(write_job *job, sut_arena *keep, int err, const char *fmt, ...) SUT_PRINTF(4, 5);

#endif
