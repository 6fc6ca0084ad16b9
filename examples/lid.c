/* lid.h: which language a text is in. */
#include <deepseek/lid.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const char  *text = "Wo ist der Bahnhof, bitte?";
    ds_lid      *lid;
    ds_lid_guess guess[3];
    if (ds_lid_open(&lid, NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    int n = ds_lid_detect(lid, text, strlen(text), guess, 3);
    for (int i = 0; i < n; i++)
        printf("%s %.3f\n", guess[i].code, (double)guess[i].score);
    int german = n > 0 && strcmp(guess[0].code, "de") == 0;
    ds_lid_close(&lid);
    return german ? 0 : 1;
}
