/* Intrusive doubly linked list, circular with a head. Zero-initialised nodes are "not on a list". */
#ifndef SUT_BASE_LIST_H
#define SUT_BASE_LIST_H

#include "base/status.h"

typedef struct sut_node {
    struct sut_node *next, *prev;
} sut_node;

#define SUT_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void sut_list_init(sut_node *head)
{
    head->next = head->prev = head;
}
static inline bool sut_list_empty(const sut_node *head)
{
    return head->next == head;
}
static inline bool sut_node_linked(const sut_node *n)
{
    return n->next != NULL;
}
#ifdef __clang_analyzer__
/* The analyzer cannot follow a circle: after a node is unlinked and freed it still finds it on the list. So it is told
 * nothing of what these do, and takes a pushed node for handed over and a popped one for any. */
void sut_list_push_back(sut_node *head, sut_node *n);
void sut_list_push_front(sut_node *head, sut_node *n);
void sut_node_unlink(sut_node *n);
sut_node *sut_list_pop_front(sut_node *head);
#else
static inline void sut_list_push_back(sut_node *head, sut_node *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}
static inline void sut_list_push_front(sut_node *head, sut_node *n)
{
    sut_list_push_back(head->next, n);
}
static inline void sut_node_unlink(sut_node *n) /* no-op if not linked */
{
    if (!n->next)
        return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = NULL;
}
static inline sut_node *sut_list_pop_front(sut_node *head) /* NULL if empty */
{
    sut_node *n = head->next;
    if (n == head)
        return NULL;
    sut_node_unlink(n);
    return n;
}
#endif

#endif
