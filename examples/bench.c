/* bench.h: this machine and the libraries underneath. */
#include <deepseek/bench.h>
#include <deepseek/util.h>
#include <stdio.h>

int main(void)
{
    ds_machine machine = { .size = sizeof machine };
    char       memory[24];
    ds_machine_about(&machine);
    printf("%s, %d threads, %s available, instruction set %s\n", machine.processor, machine.threads,
           ds_format_bytes(machine.memory_available, memory), machine.isa);
    char *versions = ds_library_versions();
    printf("%s", versions ? versions : "");
    ds_free(versions);
    return machine.threads > 0 ? 0 : 1;
}
