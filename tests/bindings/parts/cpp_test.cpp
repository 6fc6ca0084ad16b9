// The C++ header. Run by tests/bindings/cpp.sh with the golden file; TINY and STORIES name the models.
#include <deepseek.hpp>
#include <jansson.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>

#define CHECK(x) \
    if (!(x)) \
        std::cerr << __FILE__ << ":" << __LINE__ << ": " #x "\n", std::exit(1)

template <class F> static ds_status status_of(F f)
{
    try {
        f();
    } catch (const deepseek::Error &e) {
        CHECK(*e.what());
        return e.status();
    }
    return DS_OK;
}

static deepseek::Options options_of(json_t *o)
{
    deepseek::Options out;
    json_t           *v;
    const char       *name;
    size_t            i;
    json_t           *s;
    json_object_foreach(o, name, v)
    {
        std::string n = name;
        if (n == "max_new_tokens") out.max_new_tokens(json_integer_value(v));
        else if (n == "max_length") out.max_length(json_integer_value(v));
        else if (n == "temperature") out.temperature(json_number_value(v));
        else if (n == "top_k") out.top_k(json_integer_value(v));
        else if (n == "top_p") out.top_p(json_number_value(v));
        else if (n == "min_p") out.min_p(json_number_value(v));
        else if (n == "repetition_penalty") out.repetition_penalty(json_number_value(v));
        else if (n == "seed") out.seed(static_cast<uint64_t>(json_integer_value(v)));
        else if (n == "stop") { json_array_foreach(v, i, s) out.stop(json_string_value(s)); }
        else CHECK(!"an option that this test does not know");
    }
    return out;
}

/* The golden text holds U+FFFD for each byte that is not UTF-8. */
static std::string valid(const std::string &s)
{
    std::string out;
    for (size_t i = 0; i < s.size();) {
        size_t  n = 1;
        json_t *one = nullptr;
        for (; n <= 4 && i + n <= s.size() && !(one = json_stringn(s.data() + i, n)); n++) {
        }
        out += one ? s.substr(i, n) : "\xef\xbf\xbd";
        i += one ? n : 1;
        json_decref(one);
    }
    return out;
}

static int golden(const char *path, std::map<std::string, deepseek::AutoModel *> models)
{
    std::ifstream file(path);
    std::string   line;
    int           seen = 0;
    while (std::getline(file, line)) {
        json_t *g = json_loads(line.c_str(), 0, nullptr);
        auto    found = models.find(json_string_value(json_object_get(g, "model")));
        if (found == models.end()) {
            json_decref(g);
            continue;
        }
        deepseek::AutoModel &m = *found->second;
        std::string          prompt = json_string_value(json_object_get(g, "prompt")), text = json_string_value(json_object_get(g, "text")), all;
        deepseek::Options    o = options_of(json_object_get(g, "options"));
        deepseek::Generation whole = m.generate_all({ prompt }, o).front();
        std::vector<int32_t> ids, prompt_ids = m.tokenizer().encode(prompt);
        json_t              *id;
        size_t               i;
        json_array_foreach(json_object_get(g, "ids"), i, id) ids.push_back(static_cast<int32_t>(json_integer_value(id)));
        CHECK(whole.ids == ids && valid(whole.text) == text && whole.n_prompt == json_integer_value(json_object_get(g, "n_prompt")));
        CHECK(std::string(ds_finish_name(whole.finish)) == json_string_value(json_object_get(g, "finish")));
        deepseek::Stream s = m.stream(prompt, o);
        for (const std::string &piece : s)
            all += piece;
        CHECK(all == whole.text && m.generate(prompt, o) == all && s.result().ids == ids);
        std::vector<int32_t> out = m.generate(prompt_ids, o);
        prompt_ids.insert(prompt_ids.end(), ids.begin(), ids.end());
        CHECK(out == prompt_ids);
        json_decref(g);
        seen++;
    }
    return seen;
}

int main(int, char **argv)
{
    const char                                  *tiny = std::getenv("TINY"), *stories = std::getenv("STORIES");
    deepseek::AutoModel                          m = deepseek::AutoModel::from_pretrained(tiny);
    std::map<std::string, deepseek::AutoModel *> models = { { "tiny", &m } };
    std::optional<deepseek::AutoModel>           trained;
    if (*stories)
        models["stories"] = &trained.emplace(deepseek::AutoModel::from_pretrained(stories));
    CHECK(golden(argv[1], models) >= 7);

    auto form = deepseek::Grammar::json_schema(m.tokenizer().get(), R"({"type": "array", "items": {"const": 7}, "minItems": 2, "maxItems": 2})");
    std::string pair = m.generate("x", deepseek::Options().max_new_tokens(60).do_sample(true).seed(1).grammar(form));
    CHECK(std::count(pair.begin(), pair.end(), '7') == 2 && pair.front() == '[' && pair.back() == ']');
    auto yes = deepseek::Grammar::gbnf(m.tokenizer().get(), "root ::= \"yes\"");
    CHECK(m.generate("x", deepseek::Options().grammar(yes).show_special(true)) == "yes");
    try {
        deepseek::Grammar::json_schema(m.tokenizer().get(), "{\"type\": 1}");
        CHECK(!"reached");
    } catch (const deepseek::Error &) {
    }
    deepseek::Options o = deepseek::Options().max_new_tokens(400).ignore_eos(true).do_sample(false);
    int               pieces = 0;
    CHECK(m.generate("Hello", o, [&](std::string_view) { return ++pieces < 3; }).finish == DS_FINISH_CANCELLED && pieces == 3);
    try { // an exception of the caller's comes through
        m.generate("Hello", o, [&](std::string_view) -> bool { throw 7; });
        CHECK(!"reached");
    } catch (int seven) {
        CHECK(seven == 7);
    }
    {
        deepseek::Stream dropped = m.stream("Hello", o); // its destructor cancels
        std::string      piece;
        CHECK(dropped.next(piece));
        deepseek::Stream moved = std::move(dropped);
        CHECK(moved.next(piece));
    }
    deepseek::Stream s = m.stream("Hello", o);
    s.cancel();
    CHECK(s.result().finish == DS_FINISH_CANCELLED);
    CHECK(status_of([&] { m.stream("Hello", deepseek::Options().max_length(1)); }) == DS_E_ARG);

    deepseek::AutoModel moved = std::move(m);
    std::string         hello = moved.generate("Hello", deepseek::Options().max_new_tokens(3)), full;
    CHECK(moved.generate("Hello", deepseek::Options().max_new_tokens(3).return_full_text(true)) == "Hello" + hello);
    CHECK(moved.embed("Hello").size() == static_cast<size_t>(moved.info().d_model) && moved.score({ 1, 2, 3 })[0] == 0);
    CHECK(!moved.chat("[{\"role\": \"user\", \"content\": \"Hi\"}]", deepseek::Options().max_new_tokens(5)).empty());
    deepseek::AutoTokenizer t = deepseek::AutoTokenizer::from_pretrained(tiny);
    CHECK(t.decode(t.encode("你好"), true) == "你好");

    auto missing = deepseek::AutoModel::try_from_pretrained("/no/such/model.gguf");
    CHECK(!missing && missing.status() == DS_E_NOT_FOUND && !missing.message().empty());
    CHECK(status_of([&] { missing.value(); }) == DS_E_NOT_FOUND);
    auto cuda = deepseek::AutoModel::try_from_pretrained(tiny, deepseek::ModelOptions().device("cuda"));
    CHECK(!cuda && cuda.status() == DS_E_UNSUPPORTED && cuda.message().find("cpu") != std::string::npos);
    CHECK(*moved.try_generate("Hello", deepseek::Options().max_new_tokens(3)) == hello);
    CHECK(!moved.try_generate("Hello", deepseek::Options().temperature(-1)));
    static_assert(!std::is_copy_constructible_v<deepseek::AutoModel> && !std::is_copy_constructible_v<deepseek::AutoTokenizer> &&
                  std::is_nothrow_move_constructible_v<deepseek::AutoModel>);
    std::cout << "ok\n";
}
