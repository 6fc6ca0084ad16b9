/* serve.h: a server that a second thread stops again. */
#include <deepseek/serve.h>
#include <pthread.h>
#include <stdio.h>

static void *stop(void *server)
{
    ds_server_stop(server, 1);
    return NULL;
}

int main(void)
{
    ds_server        *server;
    ds_server_options o;
    pthread_t         thread;
    ds_server_options_init(&o);
    if (ds_server_create(&server, &o) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("listening on port %d\n", ds_server_port(server));
    if (pthread_create(&thread, NULL, stop, server) != 0)
        return 1;
    ds_status st = ds_server_run(server); /* until ds_server_stop */
    pthread_join(thread, NULL);
    ds_server_destroy(&server);
    return (int)st;
}
