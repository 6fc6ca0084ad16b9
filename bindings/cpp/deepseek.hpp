/** libdeepseek for C++17: handles that own what they hold, exceptions with a status, texts as ranges. Header only.
 *
 *      auto model = deepseek::AutoModel::from_pretrained("deepseek/nano");
 *      for (const std::string &piece : model.stream("Once upon a time", deepseek::Options().max_new_tokens(50)))
 *          std::cout << piece << std::flush;
 *
 *  Failures are deepseek::Error, a std::runtime_error with a status. Where exceptions are unwelcome, deepseek::attempt(f) runs f
 *  and gives a Result, and never throws. Objects may be moved, not copied; a model may be used from several threads, and its
 *  streams and tokenizers must end before it does. What the options mean: docs/SDK.md and deepseek/generate.h. */
#ifndef DEEPSEEK_HPP
#define DEEPSEEK_HPP
#include <exception>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "deepseek/deepseek.h"

namespace deepseek {

class Error : public std::runtime_error {
  public:
    Error(ds_status status, const std::string &what) : std::runtime_error(what), status_(status) {}
    ds_status status() const noexcept { return status_; }

  private:
    ds_status status_;
};

/** Throws what a status of the C interface stands for, with the calling thread's sentence. */
inline void check(ds_status status)
{
    if (status != DS_OK)
        throw Error(status, ds_error());
}

/** A value, or a status and a sentence. */
template <class T> class Result {
  public:
    Result(T value) : value_(std::move(value)) {}
    Result(ds_status status, std::string message) noexcept : status_(status), message_(std::move(message)) {}
    explicit operator bool() const noexcept { return value_.has_value(); }
    T       &operator*() noexcept { return *value_; }
    T       *operator->() noexcept { return &*value_; }
    T       &value() & { return value_ ? *value_ : throw Error(status_, message_); }
    T        value() && { return value_ ? std::move(*value_) : throw Error(status_, message_); }
    ds_status          status() const noexcept { return status_; }
    const std::string &message() const noexcept { return message_; }

  private:
    std::optional<T> value_;
    ds_status        status_ = DS_OK;
    std::string      message_;
};

/** Runs f and keeps what it throws: auto r = deepseek::attempt([&] { return model.generate("x"); }); */
template <class F> auto attempt(F &&f) noexcept -> Result<std::decay_t<decltype(f())>>
{
    using R = Result<std::decay_t<decltype(f())>>;
    try {
        return R(f());
    } catch (const Error &e) {
        return R(e.status(), e.what());
    } catch (const std::bad_alloc &) {
        return R(DS_E_NOMEM, "out of memory");
    } catch (const std::exception &e) {
        return R(DS_E_INTERNAL, e.what());
    } catch (...) {
        return R(DS_E_INTERNAL, "an unknown exception");
    }
}

namespace detail {

template <class T, void (*Close)(T **)> struct Closer {
    void operator()(T *p) const noexcept { Close(&p); }
};
template <class T, void (*Close)(T **)> using Handle = std::unique_ptr<T, Closer<T, Close>>;
struct Free {
    void operator()(void *p) const noexcept { ds_free(p); }
};
template <class T> using Memory = std::unique_ptr<T, Free>;

inline std::string resolve(const std::string &name, bool no_weights, bool download)
{
    ds_hub_opts o;
    char       *path;
    ds_hub_opts_init(&o);
    o.no_weights = no_weights;
    o.download = download;
    check(ds_hub_resolve(name.c_str(), &o, &path));
    return Memory<char>(path).get();
}

inline std::vector<int32_t> take(int32_t *id, int64_t n)
{
    Memory<int32_t> owner(id);
    return n ? std::vector<int32_t>(id, id + n) : std::vector<int32_t>();
}

} // namespace detail

/** A form of text: with Options::grammar only text of it comes out. Belongs to a tokenizer, which must outlive it. */
class Grammar {
  public:
    static Grammar json_schema(const ds_tokenizer *t, std::string_view schema) { return make(ds_grammar_from_json_schema, t, schema); }
    static Grammar gbnf(const ds_tokenizer *t, std::string_view text) { return make(ds_grammar_from_gbnf, t, text); }
    static Grammar json_object(const ds_tokenizer *t)
    {
        ds_grammar *g;
        check(ds_grammar_json_object(&g, t));
        return Grammar(g);
    }
    const ds_grammar *get() const noexcept { return g_.get(); }

  private:
    explicit Grammar(ds_grammar *g) : g_(g) {}
    static Grammar make(ds_status (*fn)(ds_grammar **, const ds_tokenizer *, const char *, size_t), const ds_tokenizer *t, std::string_view text)
    {
        ds_grammar *g;
        check(fn(&g, t, text.data(), text.size()));
        return Grammar(g);
    }
    detail::Handle<ds_grammar, ds_grammar_free> g_;
};

/** How a text is made; what is left alone is the model's own choice. */
class Options {
  public:
    Options()
    {
        ds_generate_options_init(&o);
        ds_sampling_init(&s);
    }
    Options &max_new_tokens(int64_t n) { return o.max_new_tokens = n, *this; }
    Options &max_length(int64_t n) { return o.max_length = n, *this; } /* counts the prompt */
    Options &do_sample(bool yes) { return s.temperature = yes ? 1 : 0, *this; }
    Options &temperature(double t) { return s.temperature = t, *this; }
    Options &top_k(int64_t k) { return s.top_k = k, *this; }
    Options &top_p(double p) { return s.top_p = p, *this; }
    Options &min_p(double p) { return s.min_p = p, *this; }
    Options &repetition_penalty(double r) { return s.repetition_penalty = r, *this; }
    Options &presence_penalty(double x) { return s.presence_penalty = x, *this; }
    Options &frequency_penalty(double x) { return s.frequency_penalty = x, *this; }
    Options &seed(uint64_t n) { return s.seed = n, *this; }
    Options &stop(std::string text) { return stops.push_back(std::move(text)), *this; } /* may be called several times */
    Options &num_return_sequences(int64_t n) { return o.n_choice = n, *this; }
    Options &return_full_text(bool yes) { return o.echo = yes, *this; }
    Options &grammar(const Grammar &g) { return s.grammar = g.get(), *this; } /* which must outlive the text */
    Options &show_special(bool yes) { return o.show_special = yes, *this; } /* special tokens are part of the text */
    Options &ignore_eos(bool yes) { return o.ignore_eos = yes, *this; }
    Options &add_special_tokens(bool yes) { return o.no_bos = !yes, *this; }

    /** Everything else of the C structs. */
    ds_generate_options      o;
    ds_sampling              s;
    std::vector<std::string> stops;
};

/** One continuation. */
struct Generation {
    std::string          text;
    std::vector<int32_t> ids; /* every token drawn */
    int64_t              n_prompt = 0, prompt = 0, choice = 0;
    ds_finish            finish = DS_FINISH_NONE;
};

namespace detail {

inline Generation generation(const ds_generation &g)
{
    std::vector<int32_t> ids;
    if (g.n_token)
        ids.assign(g.token, g.token + g.n_token);
    return { std::string(g.text, g.n_text), std::move(ids), g.n_prompt_token, g.prompt, g.choice, g.finish };
}

} // namespace detail

/** Text and ids. Made by from_pretrained, or a model's own (which must outlive it). */
class AutoTokenizer {
  public:
    static AutoTokenizer from_pretrained(const std::string &name, bool download = true)
    {
        ds_tokenizer *t;
        check(ds_tokenizer_open(&t, detail::resolve(name, true, download).c_str()));
        AutoTokenizer out(t);
        out.owner_.reset(t);
        return out;
    }
    explicit AutoTokenizer(const ds_tokenizer *borrowed) : t_(borrowed) {}

    std::vector<int32_t> encode(std::string_view text, bool add_special_tokens = true) const
    {
        int32_t *id;
        int64_t  n;
        check(ds_tokenizer_encode(t_, text.data(), text.size(), DS_ENCODE_SPECIAL | (add_special_tokens ? DS_ENCODE_TEMPLATE : 0), &id, &n));
        return detail::take(id, n);
    }
    std::string decode(const std::vector<int32_t> &ids, bool skip_special_tokens = false) const
    {
        char  *text;
        size_t n;
        check(ds_tokenizer_decode(t_, ids.data(), static_cast<int64_t>(ids.size()), skip_special_tokens ? DS_DECODE_SKIP_SPECIAL : 0, &text, &n));
        detail::Memory<char> owner(text);
        return std::string(text, n);
    }
    const ds_tokenizer *get() const noexcept { return t_; }

  private:
    const ds_tokenizer                             *t_;
    detail::Handle<ds_tokenizer, ds_tokenizer_close> owner_;
};

/** Pieces of one text, each made when it is asked for. One pass over it; destroying it ends what is left. */
class Stream {
  public:
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = std::string;
        using difference_type = std::ptrdiff_t;
        using pointer = const std::string *;
        using reference = const std::string &;
        iterator() = default;
        explicit iterator(Stream *s) : s_(s) { ++*this; }
        reference operator*() const { return piece_; }
        pointer   operator->() const { return &piece_; }
        iterator &operator++()
        {
            if (!s_->next(piece_))
                s_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(const iterator &b) const { return s_ == b.s_; }
        bool operator!=(const iterator &b) const { return s_ != b.s_; }

      private:
        Stream     *s_ = nullptr;
        std::string piece_;
    };
    iterator begin() { return iterator(this); }
    iterator end() { return iterator(); }

    /** Makes the next piece; false at the end. */
    bool next(std::string &piece)
    {
        const char *text;
        size_t      n;
        check(ds_text_stream_next(s_.get(), &text, &n));
        piece.assign(text, n);
        return n != 0;
    }
    /** Ends the text within a token. May be called from any thread. */
    void cancel() noexcept { ds_text_stream_cancel(s_.get()); }
    /** The whole continuation; makes the rest of it. */
    Generation result()
    {
        for (std::string rest; next(rest);) {
        }
        return detail::generation(*ds_text_stream_so_far(s_.get()));
    }

  private:
    friend class AutoModel;
    explicit Stream(ds_text_stream *s) : s_(s) {}
    detail::Handle<ds_text_stream, ds_text_stream_close> s_;
};

/** How a model is opened. */
class ModelOptions {
  public:
    ModelOptions() { ds_model_options_init(&o); }
    ModelOptions &device(std::string name) { return device_ = std::move(name), *this; } /* "auto", "cpu" */
    ModelOptions &dtype(const std::string &name) { return check(ds_dtype_parse(name.c_str(), &o.dtype)), *this; }
    ModelOptions &threads(int n) { return o.threads = n, *this; }
    ModelOptions &context(int64_t n) { return o.context = n, *this; }
    ModelOptions &memory(uint64_t bytes) { return o.memory = bytes, *this; }
    ModelOptions &local_files_only(bool yes) { return download_ = !yes, *this; }
    ds_model_options o;

  private:
    friend class AutoModel;
    std::string device_ = "auto";
    bool        download_ = true;
};

class AutoModel {
  public:
    /** Opens a Hugging Face directory, a .gguf file, or a name, which is downloaded if need be. */
    static AutoModel from_pretrained(const std::string &name, ModelOptions options = {})
    {
        options.o.device = options.device_.c_str();
        std::string path = detail::resolve(name, false, options.download_);
        ds_model   *m;
        check(ds_model_open(&m, path.c_str(), &options.o));
        return AutoModel(m, std::move(path));
    }
    static Result<AutoModel> try_from_pretrained(const std::string &name, ModelOptions options = {}) noexcept
    {
        return attempt([&] { return from_pretrained(name, std::move(options)); });
    }

    /** The continuation of a text; with return_full_text the text too. */
    std::string generate(std::string_view text, const Options &options = {}) const
    {
        return std::move(run({ prompt(text) }, options, nullptr).front().text);
    }
    /** Ids in, ids out, the prompt's first. */
    std::vector<int32_t> generate(const std::vector<int32_t> &ids, const Options &options = {}) const
    {
        std::vector<int32_t> out = ids, made = run({ prompt(ids) }, options, nullptr).front().ids;
        out.insert(out.end(), made.begin(), made.end());
        return out;
    }
    Result<std::string> try_generate(std::string_view text, const Options &options = {}) const noexcept
    {
        return attempt([&] { return generate(text, options); });
    }
    /** Continuations of several texts in one batch, with all there is to know of each. */
    std::vector<Generation> generate_all(const std::vector<std::string> &texts, const Options &options = {}) const
    {
        std::vector<ds_prompt> prompts;
        for (const std::string &t : texts)
            prompts.push_back(prompt(t));
        return run(prompts, options, nullptr);
    }
    /** Calls f(std::string_view) with each piece of the continuation; it returns false to stop. */
    template <class F, class = std::enable_if_t<std::is_invocable_r_v<bool, F, std::string_view>>>
    Generation generate(std::string_view text, const Options &options, F &&f) const
    {
        Sink sink{ [](void *user, std::string_view piece) -> bool { return (*static_cast<std::remove_reference_t<F> *>(user))(piece); }, &f, nullptr, false };
        return std::move(run({ prompt(text) }, options, &sink).front());
    }
    /** A range of pieces: for (const std::string &piece : model.stream("Once")) */
    Stream stream(std::string_view text, const Options &options = {}) const
    {
        Raw             raw(options);
        ds_prompt       p = prompt(text);
        ds_text_stream *s;
        check(ds_text_stream_open(&s, m_.get(), &p, &raw.o));
        return Stream(s);
    }
    /** The answer to messages (JSON, [{"role": "user", "content": "..."}]) in the model's own chat format. */
    std::string chat(const std::string &messages, Options options = {}) const
    {
        std::string text = chat_prompt(messages, options);
        return generate(text, options);
    }
    Stream chat_stream(const std::string &messages, Options options = {}) const
    {
        std::string text = chat_prompt(messages, options);
        return stream(text, options);
    }

    /** Log-probabilities, in nats, of each id given those before it; 0 for the first. */
    std::vector<float> score(const std::vector<int32_t> &ids) const
    {
        std::vector<float> out(ids.size());
        check(ds_model_score(m_.get(), ids.data(), static_cast<int64_t>(ids.size()), out.data(), nullptr, nullptr));
        return out;
    }
    /** The mean of the last hidden states of a text. */
    std::vector<float> embed(std::string_view text) const
    {
        int32_t *id;
        int64_t  n;
        check(ds_prompt_encode(m_.get(), text.data(), text.size(), nullptr, &id, &n));
        std::vector<int32_t> ids = detail::take(id, n);
        std::vector<float>   out(static_cast<size_t>(info().d_model));
        check(ds_model_embed(m_.get(), ids.data(), n, out.data(), nullptr, nullptr));
        return out;
    }
    ds_model_info info() const noexcept
    {
        ds_model_info i;
        i.size = sizeof i;
        ds_model_about(m_.get(), &i);
        return i;
    }
    AutoTokenizer tokenizer() const
    {
        const ds_tokenizer *t = ds_model_tokenizer(m_.get());
        if (!t)
            throw Error(DS_E_NOT_FOUND, ds_error());
        return AutoTokenizer(t);
    }
    ds_model *get() const noexcept { return m_.get(); }

  private:
    detail::Handle<ds_model, ds_model_close> m_;
    std::string                              path_;
    AutoModel(ds_model *m, std::string path) : m_(m), path_(std::move(path)) {}

    /** Options as C wants them, pointing into the caller's. */
    struct Raw {
        explicit Raw(const Options &options) : o(options.o)
        {
            for (const std::string &s : options.stops)
                stop.push_back(s.c_str());
            o.sampling = &options.s;
            o.stop = stop.data();
            o.n_stop = static_cast<int64_t>(stop.size());
        }
        ds_generate_options       o;
        std::vector<const char *> stop;
    };
    struct Sink {
        bool (*call)(void *user, std::string_view piece);
        void              *user;
        std::exception_ptr error;
        bool               stopped;
    };
    static int on_text(void *user, const ds_text_event *e) noexcept
    {
        Sink *sink = static_cast<Sink *>(user);
        if (e->n == 0 || sink->stopped) /* what was held back still comes after a stop */
            return sink->stopped;
        try {
            sink->stopped = !sink->call(sink->user, std::string_view(e->text, e->n));
        } catch (...) { /* thrown again after the call */
            sink->error = std::current_exception();
            sink->stopped = true;
        }
        return sink->stopped;
    }
    static ds_prompt prompt(std::string_view text)
    {
        ds_prompt p = {};
        p.text = text.data() ? text.data() : "";
        p.n = text.size();
        return p;
    }
    static ds_prompt prompt(const std::vector<int32_t> &ids)
    {
        static const int32_t none = 0;
        ds_prompt            p = {};
        p.token = ids.empty() ? &none : ids.data();
        p.n_token = static_cast<int64_t>(ids.size());
        return p;
    }
    std::vector<Generation> run(const std::vector<ds_prompt> &prompts, const Options &options, Sink *sink) const
    {
        Raw           raw(options);
        ds_generated *made;
        raw.o.on_text = sink ? on_text : nullptr;
        raw.o.user = sink;
        check(ds_generate(m_.get(), prompts.data(), static_cast<int64_t>(prompts.size()), &raw.o, &made));
        detail::Handle<ds_generated, ds_generated_free> owner(made);
        if (sink && sink->error)
            std::rethrow_exception(sink->error);
        std::vector<Generation> out;
        for (const ds_generation *g = made->item; g < made->item + made->n; g++)
            out.push_back(detail::generation(*g));
        return out;
    }
    std::string chat_prompt(const std::string &messages, Options &options) const
    {
        ds_chat_template *t;
        char             *text;
        size_t            n;
        check(ds_chat_template_open(&t, path_.c_str(), nullptr));
        detail::Handle<ds_chat_template, ds_chat_template_close> owner(t);
        check(ds_chat_render(t, messages.c_str(), nullptr, &text, &n));
        options.add_special_tokens(!ds_chat_template_writes_bos(t));
        return std::string(detail::Memory<char>(text).get(), n);
    }
};

} // namespace deepseek
#endif
