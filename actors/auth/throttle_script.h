/* The scripts of the login throttle, which do in Redis what throttle_table.h does in memory: throttle_script_test.c
 * holds them to it. */
#ifndef AUTH_THROTTLE_SCRIPT_H
#define AUTH_THROTTLE_SCRIPT_H

#define AUTH_SCRIPT_ARGS_A_RULE 4 /* free, base_ms, max_ms, drain_ms */

/* KEYS: the counts; ARGV: the figures of each one's rule. Takes an attempt: 0, or the milliseconds to wait. */
extern const char auth_throttle_take_source[];
/* Gives one back. */
extern const char auth_throttle_refund_source[];

#endif
