/* Which event of which group is dead already. A broker that was killed between the burial and the place of its group
 * buries again, and so does one that was told of a failure which had come too late: the letter is found by what it is
 * about (group, generation, sequence), and stays the only one. The marks are values of the journal, written in the
 * transaction of their letter, under names that nobody else uses. */
#include "lmdb_engine.h"

#include <errno.h>
#include <stdio.h>

#define ID_BYTES  8
#define NAME_SIZE 128

/* Empty for what no group has delivered: it cannot come twice. */
static MDB_val name_of(const sut_dead_letter *d, char name[NAME_SIZE])
{
    int n = d->event.sequence ? snprintf(name, NAME_SIZE, "dead/%.*s/%u/%llu", SUT_STR_FMT(d->group), d->generation,
                                         (unsigned long long)d->event.sequence)
                              : 0;
    return (MDB_val){n > 0 && n < NAME_SIZE ? (size_t)n : 0, name};
}

sut_status engine_find_dead(const engine *e, MDB_txn *txn, const sut_dead_letter *d, uint64_t *id)
{
    char name[NAME_SIZE];
    MDB_val k = name_of(d, name), v, letter;
    size_t end = 0, number;
    *id = 0;
    if (!k.mv_size)
        return 0;
    int rc = mdb_get(txn, e->values, &k, &v);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : engine_fail(e, rc, "looking for a dead letter");
    record_fault f = engine_check_named(e, SALT_VALUE, &k, &v, RECORD_HEAD, &end);
    if (f || end + ID_BYTES != v.mv_size) /* better a second letter than none */
        return 0;
    number = load_u64((const uint8_t *)v.mv_data + end);
    MDB_val id_key = engine_number_key(&number);
    rc = mdb_get(txn, e->dead, &id_key, &letter);
    if (rc && rc != MDB_NOTFOUND)
        return engine_fail(e, rc, "looking for a dead letter");
    *id = rc ? 0 : number;
    return 0;
}

sut_status engine_mark_dead(const engine *e, MDB_txn *txn, const sut_dead_letter *d)
{
    char name[NAME_SIZE];
    uint8_t bytes[RECORD_HEAD + NAME_SIZE + ID_BYTES];
    MDB_val k = name_of(d, name), v = {RECORD_HEAD + k.mv_size + ID_BYTES, bytes};
    if (!k.mv_size)
        return 0;
    memcpy(bytes + RECORD_HEAD, name, k.mv_size);
    store_u64(bytes + RECORD_HEAD + k.mv_size, d->id);
    record_seal(SALT_VALUE, (uint16_t)k.mv_size, bytes, v.mv_size);
    int rc = mdb_put(txn, e->values, &k, &v, 0);
    return rc ? engine_fail(e, rc, "marking a dead letter") : 0;
}

sut_status engine_unmark_dead(const engine *e, MDB_txn *txn, const sut_dead_letter *d)
{
    char name[NAME_SIZE];
    MDB_val k = name_of(d, name);
    int rc = k.mv_size ? mdb_del(txn, e->values, &k, NULL) : 0;
    return rc && rc != MDB_NOTFOUND ? engine_fail(e, rc, "removing the mark of a dead letter") : 0;
}
