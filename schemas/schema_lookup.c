/* Look-ups over the generated tables (wire/schema.h). The tables are sorted by name, so binary search does. */
#include "wire/schema.h"

/* Compares as strcmp would, were `s` NUL-terminated. */
static int compare(sut_str s, const char *name)
{
    size_t len = strlen(name);
    int c = memcmp(s.ptr, name, s.len < len ? s.len : len);
    if (c)
        return c;
    return s.len < len ? -1 : s.len > len;
}

const sut_method *sut_method_find(sut_str name)
{
    size_t low = 0, high = name.ptr ? sut_method_count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(name, sut_methods[middle]->name);
        if (c == 0)
            return sut_methods[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const sut_event *sut_event_find(sut_str subject)
{
    size_t low = 0, high = subject.ptr ? sut_event_count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(subject, sut_events[middle]->subject);
        if (c == 0)
            return sut_events[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *sut_group_service(sut_str group)
{
    size_t low = 0, high = group.ptr ? sut_consumer_count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(group, sut_consumers[middle]->group);
        if (c == 0)
            return sut_consumers[middle]->service;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const sut_domain *find_domain(sut_str name)
{
    for (size_t i = 0; name.ptr && i < sut_domain_count; i++)
        if (sut_str_is(name, sut_domains[i]->name))
            return sut_domains[i];
    return NULL;
}

const sut_record *sut_schema_record(sut_str domain, sut_str record)
{
    const sut_domain *d = record.ptr ? find_domain(domain) : NULL;
    size_t low = 0, high = d ? d->record_count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(record, d->records[middle]->name);
        if (c == 0)
            return d->records[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const sut_error_desc *sut_method_error(const sut_method *m, sut_str code)
{
    const sut_domain *d = m ? find_domain(sut_str_from(m->service)) : NULL;
    for (size_t i = 0; d && i < d->error_count; i++)
        if (sut_str_is(code, d->errors[i]->code))
            return d->errors[i];
    return sut_platform_error_by_code(code);
}

const sut_error_desc *sut_method_error_number(const sut_method *m, int err)
{
    if (err < SUT_ERR_DOMAIN_FIRST)
        return sut_platform_error(err);
    const sut_domain *d = m ? find_domain(sut_str_from(m->service)) : NULL;
    size_t index = (size_t)err - SUT_ERR_DOMAIN_FIRST; /* numbered from there, in this order */
    return d && index < d->error_count ? d->errors[index] : NULL;
}
