/* sut-broker: the message broker of ShareUpTime. */
#include "broker.h"

#include "base/config.h"

#include <sys/stat.h>

int main(int argc, char **argv)
{
    sut_broker_settings settings = {0};
    char error[512] = "cannot start";
    sut_broker *broker = NULL;
    sut_status r;
    int code;

    sut_program_start(argc, argv, "sut-broker",
                      "routes calls and events between the actors, edges and tools of ShareUpTime",
                      sut_broker_setting_table, sut_broker_setting_count, &settings);
    umask(0077); /* the socket is for us alone */
    code = sut_broker_new(&broker, &settings, error, sizeof error);
    if (code) {
        broker = sut_broker_free(broker);
        sut_program_die(code, "%s", error);
    }
    r = sut_broker_run(broker);
    broker = sut_broker_free(broker);
    return r < 0 ? SUT_EXIT_SOFTWARE : SUT_EXIT_OK;
}
