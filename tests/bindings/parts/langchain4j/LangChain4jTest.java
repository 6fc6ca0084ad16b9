import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiEmbeddingModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.model.output.FinishReason;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** LangChain4j's OpenAI module against `deepseek serve`: LangChain4jTest PORT. */
public final class LangChain4jTest extends Runner {
    private static final String MODEL = "deepseek/nano";
    private final String base;
    private final OpenAiChatModel model;
    private final OpenAiStreamingChatModel streaming;

    LangChain4jTest(String port) {
        base = "http://127.0.0.1:" + port;
        model = builder().build();
        streaming = OpenAiStreamingChatModel.builder().baseUrl(base + "/v1").apiKey("none").modelName(MODEL).temperature(0.0).maxTokens(20)
            .timeout(Duration.ofSeconds(60)).build();
    }

    public static void main(String[] args) throws Exception {
        new LangChain4jTest(args[0]).runAll();
    }

    private OpenAiChatModel.OpenAiChatModelBuilder builder() {
        return OpenAiChatModel.builder().baseUrl(base + "/v1").apiKey("none").modelName(MODEL).temperature(0.0).maxTokens(20).maxRetries(0)
            .timeout(Duration.ofSeconds(60));
    }

    private static ChatRequest.Builder ask(String question) {
        return ChatRequest.builder().messages(SystemMessage.from("You write verse."), UserMessage.from(question));
    }

    /** Keeps what comes; stops after a number of pieces, if that is not 0. */
    private static final class Pieces implements StreamingChatResponseHandler {
        final StringBuffer text = new StringBuffer();
        final CompletableFuture<ChatResponse> done = new CompletableFuture<>();
        final CompletableFuture<Boolean> cancelled = new CompletableFuture<>();
        private final int most;
        private int n;

        Pieces(int most) {
            this.most = most;
        }

        @Override
        public void onPartialResponse(PartialResponse piece, PartialResponseContext context) {
            text.append(piece.text());
            if (++n == most) {
                context.streamingHandle().cancel();
                cancelled.complete(context.streamingHandle().isCancelled());
            }
        }

        @Override
        public void onCompleteResponse(ChatResponse response) {
            done.complete(response);
        }

        @Override
        public void onError(Throwable t) {
            done.completeExceptionally(t);
        }
    }

    void testChat() {
        ChatResponse r = model.chat(ask("床前明月光").build());
        check(!r.aiMessage().text().isEmpty() && !r.aiMessage().hasToolExecutionRequests());
        same(FinishReason.LENGTH, r.finishReason());
        same(MODEL, r.modelName());
        same(20, r.tokenUsage().outputTokenCount());
        same(r.tokenUsage().totalTokenCount(), r.tokenUsage().inputTokenCount() + 20);
        same(r.aiMessage().text(), model.chat(ask("床前明月光").build()).aiMessage().text());
        String stopped = builder().stop(List.of("。")).maxTokens(200).build().chat(ask("床前明月光").build()).aiMessage().text();
        check(stopped == null || !stopped.contains("。"), stopped);
    }

    void testStreaming() throws Exception {
        Pieces p = new Pieces(0);
        streaming.chat(ask("床前明月光").build(), p);
        ChatResponse r = p.done.get(60, TimeUnit.SECONDS);
        same(model.chat(ask("床前明月光").build()).aiMessage().text(), p.text.toString());
        same(p.text.toString(), r.aiMessage().text());
        same(FinishReason.LENGTH, r.finishReason());
        same(20, r.tokenUsage().outputTokenCount());
    }

    void testTools() throws Exception {
        ToolSpecification weather = ToolSpecification.builder().name("weather").description("The weather of a city").parameters(
            JsonObjectSchema.builder().addEnumProperty("city", List.of("Beijing", "Paris")).required("city").additionalProperties(false).build()).build();
        ChatRequest forced = ask("Is it raining in Paris?").toolSpecifications(weather).toolChoice(ToolChoice.REQUIRED).build();
        ChatResponse r = builder().maxTokens(200).parallelToolCalls(false).build().chat(forced); // nano would call for ever
        same(FinishReason.TOOL_EXECUTION, r.finishReason());
        ToolExecutionRequest call = r.aiMessage().toolExecutionRequests().get(0);
        same("weather", call.name());
        check(!call.id().isEmpty());
        Map<?, ?> arguments = (Map<?, ?>) Json.parse(call.arguments());
        check(List.of("Beijing", "Paris").contains(arguments.get("city")), call.arguments());

        OpenAiStreamingChatModel longer = OpenAiStreamingChatModel.builder().baseUrl(base + "/v1").apiKey("none").modelName(MODEL).temperature(0.0)
            .maxTokens(200).parallelToolCalls(false).build();
        Pieces p = new Pieces(0);
        longer.chat(forced, p);
        ToolExecutionRequest streamed = p.done.get(60, TimeUnit.SECONDS).aiMessage().toolExecutionRequests().get(0);
        same(call.name(), streamed.name());
        same(call.arguments(), streamed.arguments());

        ChatRequest answer = ChatRequest.builder().messages(UserMessage.from("Is it raining in Paris?"), AiMessage.from(call),
            ToolExecutionResultMessage.from(call, "{\"rain\": true}")).toolSpecifications(weather).toolChoice(ToolChoice.NONE).build();
        check(!model.chat(answer).aiMessage().hasToolExecutionRequests());
    }

    void testJsonSchema() {
        JsonSchema schema = JsonSchema.builder().name("person").rootElement(JsonObjectSchema.builder().addBooleanProperty("alive").addIntegerProperty("age")
            .addEnumProperty("city", List.of("Beijing", "Paris")).required("age", "city").additionalProperties(false).build()).build();
        ResponseFormat form = ResponseFormat.builder().type(ResponseFormatType.JSON).jsonSchema(schema).build();
        int whole = 0;
        for (int seed = 0; seed < 5; seed++) {
            ChatResponse r = builder().temperature(1.0).seed(seed).maxTokens(100).strictJsonSchema(true).build().chat(ask("Who?").responseFormat(form).build());
            if (r.finishReason() != FinishReason.STOP)
                continue; // a random number may be long
            Map<?, ?> person = (Map<?, ?>) Json.parse(r.aiMessage().text());
            check(person.get("age") instanceof Double && List.of("Beijing", "Paris").contains(person.get("city")), person);
            whole++;
        }
        check(whole > 0, "no answer came to its end");
        String object = builder().maxTokens(40).temperature(1.0).seed(1).responseFormat("json_object").build().chat(ask("Who?").build()).aiMessage().text();
        check(object.startsWith("{"), object);
    }

    void testEmbeddings() {
        OpenAiEmbeddingModel e = OpenAiEmbeddingModel.builder().baseUrl(base + "/v1").apiKey("none").modelName(MODEL).build();
        float[] one = e.embed("床前明月光").content().vector(), again = e.embed("床前明月光").content().vector();
        same(one, again);
        check(one.length > 0);
    }

    void testErrors() throws Exception {
        thrown(ModelNotFoundException.class, "gpt-9", () -> builder().modelName("gpt-9").build().chat(ask("x").build()));
        thrown(InvalidRequestException.class, "temperature", () -> builder().temperature(3.0).build().chat(ask("x").build()));
        thrown(InvalidRequestException.class, "context", () -> model.chat(ask("long ".repeat(3000)).build()));
        Pieces p = new Pieces(0);
        OpenAiStreamingChatModel.builder().baseUrl(base + "/v1").apiKey("none").modelName("gpt-9").build().chat(ask("x").build(), p);
        Throwable t = thrown(java.util.concurrent.ExecutionException.class, "", () -> p.done.get(60, TimeUnit.SECONDS)).getCause();
        check(t instanceof ModelNotFoundException, t);
    }

    private String metrics() throws Exception {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(base + "/metrics")).build(), HttpResponse.BodyHandlers.ofString()).body();
    }

    /** A stream that is cancelled ends on the server too, while another goes on. */
    void testCancellation() throws Exception {
        OpenAiStreamingChatModel endless = OpenAiStreamingChatModel.builder().baseUrl(base + "/v1").apiKey("none").modelName(MODEL).temperature(1.0).seed(1)
            .maxTokens(400).customParameters(Map.of("ignore_eos", true)).build();
        Pieces p = new Pieces(3);
        endless.chat(ask("x").build(), p);
        check(p.cancelled.get(60, TimeUnit.SECONDS));
        check(!model.chat(ask("y").build()).aiMessage().text().isEmpty());
        for (int i = 0; !metrics().matches("(?s)(.*\\n)?deepseek_requests_running\\S* 0\\n.*"); i++) {
            check(i < 1000, "the request still runs", metrics());
            Thread.sleep(20);
        }
        int length = p.text.length();
        Thread.sleep(50);
        same(length, p.text.length());
    }

    void testManyAtOnce() {
        List<CompletableFuture<String>> all = new ArrayList<>();
        for (int i = 0; i < 8; i++)
            all.add(CompletableFuture.supplyAsync(() -> model.chat(ask("床前明月光").build()).aiMessage().text()));
        for (CompletableFuture<String> f : all)
            same(all.get(0).join(), f.join());
    }
}
