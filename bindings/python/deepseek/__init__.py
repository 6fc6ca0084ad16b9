"""DeepSeek language models: text generation, chat, scoring and embeddings through libdeepseek.

    from deepseek import AutoModel
    model = AutoModel.from_pretrained("deepseek/nano")
    print(model.generate("Once upon a time", max_new_tokens=50))

Names and meanings follow Hugging Face transformers. Every failure is a DeepseekError, whose text is one sentence.
"""

from ._errors import (CancelledError, ContextError, DeepseekError, DeviceError, FormatError, ModelNotFoundError, OutOfMemoryError)
from ._lib import version as _version
from ._model import AutoModel, Generation, Score
from ._stream import AsyncStream, Stream
from ._tokenizer import AutoTokenizer, Encoding

__version__ = _version()
__all__ = ["AutoModel", "AutoTokenizer", "AsyncStream", "CancelledError", "ContextError", "DeepseekError", "DeviceError", "Encoding",
           "FormatError", "Generation", "ModelNotFoundError", "OutOfMemoryError", "Score", "Stream", "__version__"]
