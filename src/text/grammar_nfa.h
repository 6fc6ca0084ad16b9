/* A grammar as it runs: for each rule an automaton over bytes whose edges read a byte, read nothing, or call a rule. Rules may
 * call each other in circles, so the whole is a pushdown automaton; its stacks are in grammar_run.c.
 *
 * Long counted repetitions are not unrolled: such a rule's states are numbers from `start` on, one for each count, and have
 * no edges in memory. Two more stand for counts so far from a bound that it cannot be told yet: between min and max, and before
 * min. No text comes to them; what may follow a count is worked out from what may follow them. */
#ifndef DS_TEXT_GRAMMAR_NFA_H
#define DS_TEXT_GRAMMAR_NFA_H
#include "text/grammar_build.h"

typedef enum ds_gedge_kind { DS_EDGE_BYTE, DS_EDGE_EMPTY, DS_EDGE_CALL, DS_EDGE_DEAD } ds_gedge_kind;

typedef struct ds_gedge {
    uint32_t next;
    int32_t  rule; /* CALL: what comes before `next` */
    uint8_t  kind, lo, hi;
} ds_gedge;

typedef struct ds_gmachine {
    uint32_t    start;
    uint32_t    far;      /* of a counted repetition: the states that stand for many counts */
    int32_t     body;     /* of a counted repetition: the rule repeated; -1 for others */
    int32_t     min, max; /* of it; max DS_G_MANY */
    int32_t     rank;     /* a rule comes before all that can be called at its start */
    bool        nullable;
    const char *name;
} ds_gmachine;

enum { DS_FAR_BETWEEN, DS_FAR_BEFORE, DS_FAR_STATES }; /* from `far` on */
enum { DS_NEAR = 4 }; /* counts so close to a bound are followed on their own */
enum { DS_STATE_END = 0 }; /* the bottom of every stack: the whole text is read */

typedef struct ds_gnfa {
    ds_arena     arena;
    uint32_t     n_state; /* with edges; larger numbers are counts of repetitions */
    uint32_t    *first;   /* [n_state + 1] into edge */
    ds_gedge    *edge;
    uint8_t     *accept; /* [n_state] the rule may end here */
    ds_gmachine *rule;
    int32_t      n_rule;
    int32_t     *repeat; /* the counted repetitions by start */
    int32_t      n_repeat;
    uint8_t      class_of[256]; /* bytes that no edge tells apart */
    int          n_class;
} ds_gnfa;

typedef struct ds_gfar {
    uint32_t state; /* the given one where it does not count */
    int32_t  bytes; /* for how many more the two cannot be told apart */
    bool     near;  /* many short texts tell them apart */
} ds_gfar;

/** Compiles the builder's rules; rule 0 is the root. DS_E_FORMAT for left recursion and for a root without a finite text. */
ds_status ds_gnfa_compile(ds_gnfa *a, const ds_gbuild *b);
void      ds_gnfa_free(ds_gnfa *a);
/** The repetition that a state beyond n_state counts for. */
const ds_gmachine *ds_gnfa_repeat(const ds_gnfa *a, uint32_t state);
/** The largest count that such a repetition tells apart from others. */
int32_t ds_gmachine_top(const ds_gmachine *m);
/** What stands for a count far from its bounds. */
ds_gfar ds_gnfa_far(const ds_gnfa *a, uint32_t state);
#endif
