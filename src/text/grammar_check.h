/* What must hold before a grammar runs. */
#ifndef DS_TEXT_GRAMMAR_CHECK_H
#define DS_TEXT_GRAMMAR_CHECK_H
#include "text/grammar_nfa.h"

/** Removes what leads nowhere, so that a text that has begun can always be ended; finds out which rules can be empty, and adds
 *  empty edges past calls of those; orders the rules by what can be called at their start. DS_E_FORMAT when the root derives no
 *  finite text or a rule begins with itself. */
ds_status ds_gnfa_check(ds_gnfa *a);
#endif
