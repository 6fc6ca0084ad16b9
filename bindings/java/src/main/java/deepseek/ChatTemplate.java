package deepseek;

import java.util.List;

/** Messages in a model's own format. */
final class ChatTemplate {
    final String text;
    final boolean writesBos; // encoding must not put another begin-of-text token before it

    private ChatTemplate(long template, List<Message> messages, String tools, String variables, boolean addGenerationPrompt) {
        text = Text.string(Native.chatRender(template, Text.cString(Message.json(messages), "messages"), Text.cString(tools, "tools"),
                                             Text.cString(variables, "templateVariables"), addGenerationPrompt, false));
        writesBos = Native.chatWritesBos(template);
    }

    /** With the template of the model at a path. */
    static ChatTemplate render(String path, List<Message> messages, String tools, String variables, boolean addGenerationPrompt) {
        return render(Native.chatOpen(Text.cString(path, "path")), messages, tools, variables, addGenerationPrompt);
    }

    /** With a Jinja template; bos and eos may be null. */
    static ChatTemplate parse(String jinja, String bos, String eos, List<Message> messages, boolean addGenerationPrompt) {
        return render(Native.chatParse(Text.utf8(jinja), Text.cString(bos, "bos"), Text.cString(eos, "eos")), messages, null, null,
                      addGenerationPrompt);
    }

    private static ChatTemplate render(long template, List<Message> messages, String tools, String variables, boolean addGenerationPrompt) {
        try {
            return new ChatTemplate(template, messages, tools, variables, addGenerationPrompt);
        } finally {
            Native.chatClose(template);
        }
    }
}
