/* sut-edge: REST for the clients of ShareUpTime, carried over the bus. */
#include "edge.h"

int main(int argc, char **argv)
{
    edge_settings settings = {0};
    edge e;
    char error[512];
    sut_program_start(argc, argv, "sut-edge", "turns REST requests into calls on the bus", edge_setting_table,
                      edge_setting_count, &settings);
    int code = edge_start(&e, &settings, error, sizeof(error));
    if (code) {
        edge_stop(&e);
        sut_program_die(code, "%s", error);
    }
    code = edge_run(&e);
    edge_stop(&e);
    return code;
}
