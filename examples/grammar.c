/* grammar.h: which texts a grammar has; a model's sampling is constrained by ds_sampling.grammar. */
#include <deepseek/grammar.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const char *text = "root ::= \"yes\" | \"no\"", *word[] = { "yes", "maybe" };
    ds_grammar *grammar;
    bool        fits[2];
    if (ds_grammar_from_gbnf(&grammar, NULL, text, strlen(text)) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    for (int i = 0; i < 2; i++)
        if (ds_grammar_matches(grammar, word[i], strlen(word[i]), &fits[i]) != DS_OK)
            return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("%s %s, %s %s\n", word[0], fits[0] ? "fits" : "does not", word[1], fits[1] ? "fits" : "does not");
    ds_grammar_free(&grammar);
    return fits[0] && !fits[1] ? 0 : 1;
}
