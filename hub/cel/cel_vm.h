/*
 * cel_vm: the machine that runs a condition's program. It belongs to one thread; programs are
 * shared.
 */
#ifndef GRIDHUB_CEL_VM_H
#define GRIDHUB_CEL_VM_H

#include "cel_code.h"

#define CEL_STEPS_MAX 50000 /* one evaluation, a millisecond or two */
#define CEL_MEMORY_MAX ((size_t)1024 * 1024)

struct cel_vm;
struct cel_vm *cel_vm_new(void); /* NULL when out of memory */
void cel_vm_free(struct cel_vm *vm);

/*
 * Evaluate. The result is a value or a CEL_ERROR; what it points at lives until the machine's next
 * evaluation. `slots` must reach as far as the largest slot that the names gave.
 */
struct cel_value cel_eval(struct cel_vm *vm, const struct cel_program *prog,
			  const struct cel_value *slots);

#endif
