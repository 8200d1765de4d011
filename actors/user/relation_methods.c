/* The methods that change relations: each is one act. */
#include "relation.h"
#include "user_service.h"

#include "base/clock.h"

#define METHOD(name, act)                                                                                              \
    sut_status user_##name(sut_request *rq, const user_##name##_in *in, user_##name##_out *out)                        \
    {                                                                                                                  \
        return user_relate(rq, (act), in->user_id, 0, out);                                                            \
    }

METHOD(follow, USER_ACT_FOLLOW)
METHOD(unfollow, USER_ACT_UNFOLLOW)
METHOD(follower_approve, USER_ACT_APPROVE)
METHOD(follower_remove, USER_ACT_REMOVE_FOLLOWER)
METHOD(friend_request, USER_ACT_BEFRIEND)
METHOD(friend_accept, USER_ACT_ACCEPT)
METHOD(friend_remove, USER_ACT_UNFRIEND)
METHOD(block, USER_ACT_BLOCK)
METHOD(unblock, USER_ACT_UNBLOCK)
METHOD(unmute, USER_ACT_UNMUTE)

sut_status user_mute(sut_request *rq, const user_mute_in *in, user_mute_out *out)
{
    if (in->has_until != SUT_PRESENT)
        return user_relate(rq, USER_ACT_MUTE, in->user_id, 0, out);
    if (in->until <= sut_wall_us())
        return sut_fail_field(rq, "/until", "past", "This time has passed already.");
    return user_relate(rq, USER_ACT_MUTE, in->user_id, in->until, out);
}
