/* model.h: token ids in, logits out; what a text's tokens cost; a text as a vector. */
#include <deepseek/model.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const int32_t token[] = { 72, 101, 108, 108, 111 };
    ds_model     *model;
    ds_sequence  *sequence;
    ds_model_info info = { .size = sizeof info };
    float         logprob[5];
    if (argc != 2 || ds_model_open(&model, argv[1], NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    ds_model_about(model, &info);
    float *logits = malloc((size_t)info.n_vocab * sizeof *logits), *vector = malloc((size_t)info.d_model * sizeof *vector);
    if (!logits || !vector || ds_sequence_create(&sequence, model) != DS_OK ||
        ds_model_forward(model, &(ds_feed){ sequence, token, 5 }, 1, logits) != DS_OK ||
        ds_model_score(model, token, 5, logprob, NULL, NULL) != DS_OK || ds_model_embed(model, token, 5, vector, NULL, NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    int64_t best = 0;
    for (int64_t i = 1; i < info.n_vocab; i++)
        best = logits[i] > logits[best] ? i : best;
    printf("%s, %lld parameters; the likeliest next token is %lld; the last one had log-probability %.3f; the vector begins with %.3f\n",
           info.architecture, (long long)info.parameters, (long long)best, (double)logprob[4], (double)vector[0]);
    ds_sequence_free(&sequence);
    ds_model_close(&model);
    free(logits);
    free(vector);
    return 0;
}
