import deepseek.AutoModel;
import deepseek.GenerateOptions;
import deepseek.TextStream;

/** java -Dfile.encoding=UTF-8 -cp "build/java/*" bindings/java/example/QuickStart.java [MODEL] */
public final class QuickStart {
    public static void main(String[] args) {
        try (AutoModel model = AutoModel.fromPretrained(args.length > 0 ? args[0] : "deepseek/nano")) {
            System.out.println(model.generate("解释量子纠缠现象:", GenerateOptions.builder().maxLength(200).build()));

            try (TextStream text = model.stream("Once upon a time", GenerateOptions.builder().maxNewTokens(50).build())) {
                for (String piece : text)
                    System.out.print(piece);
            }
            System.out.println();
        }
    }
}
