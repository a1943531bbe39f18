/*
 * DESIGN. Operators get errors as operands and hand them on; only AND, OR and the loops `all` and
 * `exists` look at them. A limit that is reached (room.over) is no such error: it ends the
 * evaluation at once, because nothing may absorb it. The stack cannot overflow: cel_code.c counted
 * its height.
 */
#include "cel_vm.h"

#include "cel_func.h"

struct loop {
	struct cel_value range, var, result;
	uint32_t turn, cap; /* cap: room of result's list */
	uint8_t kind;	    /* enum cel_loop */
	bool done;
};

struct cel_vm {
	struct cel_room room;
	const struct cel_program *prog;
	const struct cel_value *slots;
	struct cel_value stack[CEL_STACK_MAX + 1];
	struct loop loops[CEL_LOOPS_MAX];
};

struct cel_vm *cel_vm_new(void)
{
	struct cel_vm *vm = mem_new(sizeof *vm);
	if (vm)
		arena_init(&vm->room.arena, CEL_MEMORY_MAX);
	return vm;
}

void cel_vm_free(struct cel_vm *vm)
{
	if (!vm)
		return;
	arena_done(&vm->room.arena);
	free(vm);
}

/* ---- operators ---- */

static struct cel_value holds(enum cel_op op, int order)
{
	static const bool table[][3] = {
		[OP_EQ] = {false, true, false}, [OP_NE] = {true, false, true},
		[OP_LT] = {true, false, false}, [OP_LE] = {true, true, false},
		[OP_GT] = {false, false, true}, [OP_GE] = {false, true, true},
	};
	return CEL_OF_BOOL(table[op][order + 1]);
}

static struct cel_value compare(struct cel_vm *vm, enum cel_op op, struct cel_value a,
				struct cel_value b)
{
	int order;
	if (a.type == CEL_ERROR)
		return a;
	if (b.type == CEL_ERROR)
		return b;
	if (op == OP_EQ || op == OP_NE)
		return CEL_OF_BOOL(cel_equal(&vm->room, a, b) == (op == OP_EQ));
	bool texts = a.type == CEL_STRING || a.type == CEL_BYTES;
	if (texts && a.type == b.type && !cel_charge(&vm->room, MIN_OF(a.n, b.n) / 64))
		return CEL_FAIL(vm->room.why);
	int r = cel_order(a, b, &order);
	if (r)
		return r == -EDOM ? CEL_OF_BOOL(false) : CEL_FAIL(CEL_F_OVERLOAD);
	return holds(op, order);
}

static struct cel_value compare_slot(struct cel_vm *vm, const struct cel_insn *in)
{
	struct cel_value a = vm->slots[in->n], b = vm->prog->consts[in->x];
	if (a.type == CEL_DOUBLE && b.type == CEL_DOUBLE && a.d == a.d && b.d == b.d)
		return holds(in->arg, (a.d > b.d) - (a.d < b.d));
	if (a.type == CEL_UNSET)
		return CEL_FAIL(CEL_F_MISSING);
	return compare(vm, in->arg, a, b);
}

/* `stop` decides alone (false for &&, true for ||), even against an error. */
static struct cel_value logic(struct cel_value a, struct cel_value b, bool stop)
{
	if (b.type == CEL_BOOL && b.b == stop)
		return b;
	if (a.type == CEL_BOOL && b.type == CEL_BOOL)
		return b;
	if (a.type == CEL_ERROR)
		return a;
	return b.type == CEL_ERROR ? b : CEL_FAIL(CEL_F_OVERLOAD);
}

static struct cel_value negate_bool(struct cel_value v)
{
	if (v.type == CEL_BOOL)
		return CEL_OF_BOOL(!v.b);
	return v.type == CEL_ERROR ? v : CEL_FAIL(CEL_F_OVERLOAD);
}

static struct cel_value select_key(struct cel_vm *vm, struct cel_value of, uint32_t name, bool test)
{
	if (of.type == CEL_ERROR)
		return of;
	if (of.type != CEL_MAP)
		return CEL_FAIL(CEL_F_OVERLOAD);
	const struct cel_value *v = cel_map_get(&vm->room, of, vm->prog->consts[name]);
	if (test)
		return CEL_OF_BOOL(v != NULL);
	return v ? *v : CEL_FAIL(CEL_F_KEY);
}

static struct cel_value call(struct cel_vm *vm, const struct cel_insn *in,
			     const struct cel_value *args)
{
	for (unsigned i = 0; i < in->n; i++)
		if (args[i].type == CEL_ERROR)
			return args[i];
	for (unsigned i = 0; i < in->n; i++)
		if (!(CEL_BIT(args[i].type) & cel_funcs[in->x].takes[i]))
			return CEL_FAIL(CEL_F_OVERLOAD);
	return cel_funcs[in->x].fn(&vm->room, args, in->n);
}

static struct cel_value match(struct cel_vm *vm, uint32_t regex, struct cel_value text)
{
	if (text.type != CEL_STRING)
		return text.type == CEL_ERROR ? text : CEL_FAIL(CEL_F_OVERLOAD);
	return cel_match(&vm->room, vm->prog->regexes[regex], cel_text(text));
}

/* ---- lists, maps ---- */

static struct cel_value new_list(struct cel_vm *vm, uint32_t n)
{
	struct cel_value v = {.type = CEL_LIST};
	v.list = cel_alloc(&vm->room, n * sizeof *v.list);
	return v;
}

static struct cel_value new_map(struct cel_vm *vm, uint32_t n)
{
	struct cel_value v = {.type = CEL_MAP};
	v.map = cel_alloc(&vm->room, n * sizeof *v.map);
	return v;
}

static void list_add(struct cel_value *list, struct cel_value v)
{
	if (list->type == CEL_ERROR)
		return;
	if (v.type == CEL_ERROR)
		*list = v;
	else
		list->list[list->n++] = v;
}

static void map_add(struct cel_vm *vm, struct cel_value *map, struct cel_value key,
		    struct cel_value val)
{
	if (map->type == CEL_ERROR)
		return;
	if (key.type == CEL_ERROR || val.type == CEL_ERROR) {
		*map = key.type == CEL_ERROR ? key : val;
		return;
	}
	enum cel_fault f = cel_map_put(&vm->room, map, key, val);
	if (f != CEL_F_NONE)
		*map = CEL_FAIL(f);
}

/* ---- loops ---- */

static bool loop_begin(struct loop *l, enum cel_loop kind, struct cel_value range)
{
	if (range.type != CEL_LIST && range.type != CEL_MAP)
		return false;
	*l = (struct loop){.range = range, .kind = (uint8_t)kind};
	if (kind == LOOP_MAP || kind == LOOP_FILTER)
		l->result = (struct cel_value){.type = CEL_LIST};
	else if (kind == LOOP_EXISTS_ONE)
		l->result = CEL_OF_INT(0);
	else
		l->result = CEL_OF_BOOL(kind == LOOP_ALL);
	return true;
}

/* A turn costs what its instructions do: `body` of them. */
static bool loop_next(struct cel_vm *vm, struct loop *l, ptrdiff_t body)
{
	if (l->done || l->turn == l->range.n || !cel_charge(&vm->room, 1 + (uint64_t)body / 3))
		return false;
	l->var = l->range.type == CEL_LIST ? l->range.list[l->turn] : l->range.map[l->turn].key;
	l->turn++;
	return true;
}

static struct cel_value loop_result(const struct loop *l)
{
	if (l->kind == LOOP_EXISTS_ONE && l->result.type == CEL_INT)
		return CEL_OF_BOOL(l->result.i == 1);
	return l->result;
}

static void loop_fail(struct loop *l, struct cel_value v)
{
	l->result = v.type == CEL_ERROR ? v : CEL_FAIL(CEL_F_OVERLOAD);
	l->done = true;
}

static void loop_append(struct cel_vm *vm, struct loop *l, struct cel_value v)
{
	if (l->result.n == l->cap) {
		uint32_t cap = l->cap ? 2 * l->cap : 8;
		struct cel_value *more = cel_alloc(&vm->room, cap * sizeof *more);
		if (!more)
			return;
		if (l->result.n)
			memcpy(more, l->result.list, l->result.n * sizeof *more);
		l->result.list = more;
		l->cap = cap;
	}
	l->result.list[l->result.n++] = v;
}

/* all and exists: the deciding value ends the loop, whatever errors came before it. */
static void loop_logic(struct loop *l, struct cel_value v)
{
	bool stop = l->kind == LOOP_EXISTS;
	struct cel_value r = logic(l->result, v, stop);
	if (r.type == CEL_BOOL && r.b == stop)
		l->done = true;
	l->result = r;
}

static void loop_turn(struct cel_vm *vm, struct loop *l, struct cel_value v)
{
	switch ((enum cel_loop)l->kind) {
	case LOOP_ALL:
	case LOOP_EXISTS:
		loop_logic(l, v);
		return;
	case LOOP_MAP:
		if (v.type == CEL_ERROR)
			loop_fail(l, v);
		else
			loop_append(vm, l, v);
		return;
	case LOOP_EXISTS_ONE:
	case LOOP_FILTER:
	default:
		if (v.type != CEL_BOOL)
			loop_fail(l, v);
		else if (v.b && l->kind == LOOP_FILTER)
			loop_append(vm, l, l->var);
		else if (v.b)
			l->result.i++;
	}
}

/* map's condition: does this turn count? */
static bool loop_when(struct loop *l, struct cel_value v)
{
	if (v.type != CEL_BOOL)
		loop_fail(l, v);
	return v.type == CEL_BOOL && v.b;
}

/* ---- the machine ---- */

/* An error that an instruction has just made learns where it happened. */
static void locate(const struct cel_vm *vm, const struct cel_insn *in, struct cel_value *v)
{
	if (v->type == CEL_ERROR && v->i < 0)
		v->i = vm->prog->at[in - vm->prog->code];
}

static struct cel_value operate_two(struct cel_vm *vm, const struct cel_insn *in,
				    struct cel_value a, struct cel_value b)
{
	if (in->op == I_AND || in->op == I_OR)
		return logic(a, b, in->op == I_OR);
	if (a.type == CEL_ERROR || b.type == CEL_ERROR)
		return a.type == CEL_ERROR ? a : b;
	if (in->op == I_CMP)
		return compare(vm, in->arg, a, b);
	if (in->op == I_CALC)
		return cel_calc(&vm->room, in->arg, a, b);
	return in->op == I_IN ? cel_in(&vm->room, a, b) : cel_index(&vm->room, a, b);
}

/* Instructions that only work on the top of the stack. Returns the new top. */
static struct cel_value *operate(struct cel_vm *vm, const struct cel_insn *in,
				 struct cel_value *top)
{
	struct cel_value *under = top - 1;
	switch (in->op) {
	case I_SELECT:
	case I_HAS:
		*top = select_key(vm, *top, in->x, in->op == I_HAS);
		break;
	case I_NOT:
		*top = negate_bool(*top);
		break;
	case I_NEGATE:
		*top = cel_negate(*top);
		break;
	case I_MATCH:
		*top = match(vm, in->x, *top);
		break;
	case I_FAIL:
		*++top = CEL_FAIL(in->x);
		break;
	case I_LIST:
		*++top = new_list(vm, in->x);
		break;
	case I_MAP:
		*++top = new_map(vm, in->x);
		break;
	case I_LIST_ADD:
		list_add(under, *top);
		top = under;
		break;
	case I_MAP_ADD:
		map_add(vm, top - 2, *under, *top);
		top -= 2;
		break;
	case I_CALL:
		top -= in->n - 1;
		*top = call(vm, in, top);
		break;
	default:
		*under = operate_two(vm, in, *under, *top);
		top = under;
	}
	locate(vm, in, top);
	return top;
}

/* Where a loop's instruction goes on; *top moves with it. */
static const struct cel_insn *run_loop(struct cel_vm *vm, const struct cel_insn *in,
				       struct cel_value **top)
{
	struct loop *l = &vm->loops[in->n];
	const struct cel_insn *far = vm->prog->code + in->x;
	struct cel_value v = **top;
	switch (in->op) {
	case I_LOOP:
		if (loop_begin(l, in->arg, v)) {
			--*top;
			return in + 1;
		}
		**top = v.type == CEL_ERROR ? v : CEL_FAIL(CEL_F_OVERLOAD);
		locate(vm, in, *top);
		return far;
	case I_LOOP_NEXT:
		if (loop_next(vm, l, far - in))
			return in + 1;
		*++*top = loop_result(l);
		locate(vm, in, *top);
		return far;
	case I_LOOP_WHEN:
		--*top;
		return loop_when(l, v) ? in + 1 : far;
	case I_LOOP_TURN:
	default:
		--*top;
		loop_turn(vm, l, v);
		return far;
	}
}

static const struct cel_insn *choose(struct cel_vm *vm, const struct cel_insn *in,
				     struct cel_value **top)
{
	const struct cel_insn *code = vm->prog->code;
	struct cel_value v = **top;
	if (v.type == CEL_BOOL) {
		--*top;
		return v.b ? in + 1 : code + in->x;
	}
	**top = v.type == CEL_ERROR ? v : CEL_FAIL(CEL_F_OVERLOAD);
	locate(vm, in, *top);
	return code + code[in->x - 1].x;
}

static struct cel_value run(struct cel_vm *vm)
{
	const struct cel_insn *code = vm->prog->code, *in = code;
	struct cel_value *top = vm->stack; /* stack[0] stays empty */
	while (!vm->room.over) {
		switch (in->op) {
		case I_CONST:
			*++top = vm->prog->consts[in->x];
			break;
		case I_SLOT:
			*++top = vm->slots[in->x];
			if (top->type == CEL_UNSET)
				*top = CEL_FAIL(CEL_F_MISSING);
			locate(vm, in, top);
			break;
		case I_SLOT_HAS:
			*++top = CEL_OF_BOOL(vm->slots[in->x].type != CEL_UNSET);
			break;
		case I_SLOT_CMP:
			*++top = compare_slot(vm, in);
			locate(vm, in, top);
			break;
		case I_LOCAL:
			*++top = vm->loops[in->x].var;
			break;
		case I_AND_JUMP:
		case I_OR_JUMP:
			if (top->type != CEL_BOOL || top->b != (in->op == I_OR_JUMP))
				break;
			in = code + in->x;
			continue;
		case I_JUMP:
			in = code + in->x;
			continue;
		case I_CHOOSE:
			in = choose(vm, in, &top);
			continue;
		case I_LOOP:
		case I_LOOP_NEXT:
		case I_LOOP_WHEN:
		case I_LOOP_TURN:
			in = run_loop(vm, in, &top);
			continue;
		case I_RETURN:
			return *top;
		default:
			top = operate(vm, in, top);
		}
		in++;
	}
	return CEL_FAIL(vm->room.why);
}

struct cel_value cel_eval(struct cel_vm *vm, const struct cel_program *prog,
			  const struct cel_value *slots)
{
	if (vm->room.arena.used)
		arena_reset(&vm->room.arena);
	vm->room.steps = CEL_STEPS_MAX;
	vm->room.over = false;
	vm->prog = prog;
	vm->slots = slots;
	struct cel_value v = run(vm);
	return vm->room.over ? CEL_FAIL(vm->room.why) : v;
}
