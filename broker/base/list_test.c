/* The intrusive list. */
#include "base/list.h"

#include <criterion/criterion.h>

typedef struct item {
    int number;
    sut_node node;
} item;

Test(list, it_keeps_order_and_knows_who_is_on_it, .timeout = 5)
{
    sut_node head;
    item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
    sut_list_init(&head);
    cr_assert(sut_list_empty(&head));
    cr_assert_null(sut_list_pop_front(&head));
    sut_list_push_back(&head, &b.node);
    sut_list_push_back(&head, &c.node);
    sut_list_push_front(&head, &a.node);
    cr_assert(sut_node_linked(&b.node));
    int want = 1;
    for (sut_node *n = head.next; n != &head; n = n->next)
        cr_assert_eq(SUT_CONTAINER(n, item, node)->number, want++);
    sut_node_unlink(&b.node);
    sut_node_unlink(&b.node);
    cr_assert_not(sut_node_linked(&b.node));
    cr_assert_eq(sut_list_pop_front(&head), &a.node);
    cr_assert_eq(sut_list_pop_front(&head), &c.node);
    cr_assert(sut_list_empty(&head));
    cr_assert_not(sut_node_linked(&c.node));
}
