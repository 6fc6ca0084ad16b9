package deepseek;

/** A call into libdeepseek failed; the message is one sentence. The subclasses are the kinds of failure that programs tell apart. */
public class DeepSeekException extends RuntimeException {
    private static final long serialVersionUID = 1;
    private final int status;
    private final String statusName;

    DeepSeekException(int status, String statusName, String message) {
        super(message);
        this.status = status;
        this.statusName = statusName;
    }

    /** The number of the failure, as in deepseek/status.h. */
    public int status() {
        return status;
    }

    /** Its short name, such as "format". */
    public String statusName() {
        return statusName;
    }

    /** Called from native code. */
    static DeepSeekException of(int status, byte[] name, byte[] message) {
        String n = Text.string(name), m = Text.string(message);
        switch (status) {
        case 2: return new ArgumentException(status, n, m);
        case 3: return new ModelNotFoundException(status, n, m);
        case 4: return new InputOutputException(status, n, m);
        case 5:
        case 7: return new FormatException(status, n, m);
        case 6: return new UnsupportedException(status, n, m);
        case 8:
        case 9: return new OutOfMemoryException(status, n, m);
        case 10: return new ContextException(status, n, m);
        case 130: return new CancelledException(status, n, m);
        default: return new DeepSeekException(status, n, m);
        }
    }

    /** An argument or option makes no sense. */
    public static class ArgumentException extends DeepSeekException {
        private static final long serialVersionUID = 1;

        ArgumentException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }

    /** No such file, model or name. */
    public static class ModelNotFoundException extends DeepSeekException {
        private static final long serialVersionUID = 1;

        ModelNotFoundException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }

    /** Reading, writing or the network failed. */
    public static class InputOutputException extends DeepSeekException {
        private static final long serialVersionUID = 1;

        InputOutputException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }

    /** A file's bytes, a schema or a grammar are not what they should be. */
    public static class FormatException extends DeepSeekException {
        private static final long serialVersionUID = 1;

        FormatException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }

    /** Well-formed, but not something that this library handles. */
    public static class UnsupportedException extends DeepSeekException {
        private static final long serialVersionUID = 1;

        UnsupportedException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }

    /** The device that was asked for is not there; the message lists those that are. */
    public static class DeviceException extends UnsupportedException {
        private static final long serialVersionUID = 1;

        DeviceException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }

    /** The system refused memory, or it does not fit the memory that was given. */
    public static class OutOfMemoryException extends DeepSeekException {
        private static final long serialVersionUID = 1;

        OutOfMemoryException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }

    /** The text is longer than the context. */
    public static class ContextException extends DeepSeekException {
        private static final long serialVersionUID = 1;

        ContextException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }

    /** The work was stopped by the caller. */
    public static class CancelledException extends DeepSeekException {
        private static final long serialVersionUID = 1;

        CancelledException(int status, String statusName, String message) {
            super(status, statusName, message);
        }
    }
}
