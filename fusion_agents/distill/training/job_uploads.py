"""The training files that a folder has left at a provider: deleted on request, or told of."""

from collections.abc import Callable
from contextlib import suppress

from fusion_agents.distill.training.job_note import EarlierFile, JobNote, Notebook
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.distill.training.openai_provider import NotListedError, Provider


class Uploads:
    """A folder's uploads: the one of its job, and those of the jobs before.

    Args:
        provider: That is asked.
        options: Say whether uploads are deleted.
        book: Of the folder.
        tell: Told in words what is left.
    """

    def __init__(
        self,
        provider: Provider,
        options: OpenAIJobOptions,
        book: Notebook,
        tell: Callable[[str], None],
    ) -> None:
        self._provider = provider
        self._options = options
        self._book = book
        self._tell = tell

    @property
    def kept(self) -> str:
        """Say in words whether the upload of the folder's job is still there."""
        note = self._book.note
        if note.file is None or note.file_deleted:
            return "; its training file was deleted" if note.file else ""
        return (
            f"; the training file {note.file!r} still holds them at {note.server}: delete it "
            "there, or with --delete-upload when the job has ended"
        )

    async def before(self, note: JobNote) -> tuple[EarlierFile, ...]:
        """Uploads of the folder until now that were not deleted, the one of this note last."""
        name = note.file
        if name is None and note.upload_asked is not None:
            name = await self._find(note)
        if name is None or note.file_deleted:
            return note.earlier_files
        left = EarlierFile(name=name, server=note.server, examples=note.run.examples)
        return (*note.earlier_files, left)

    async def _find(self, note: JobNote) -> str | None:
        """Look for an upload whose end is not known."""
        found = None
        if note.server == self._provider.server:
            with suppress(NotListedError):
                found = await self._provider.find_file(note.file_name)
        if found is None:
            self._tell(
                f"an upload of the file {note.file_name!r} got no answer: if {note.server} has "
                "it, delete it there"
            )
        return found

    def tell_what_stays(self) -> None:
        """Tell of earlier uploads that hold examples which are not used any more."""
        note = self._book.note
        for file in note.earlier_files:
            if file.examples == note.run.examples:
                continue
            ours = file.server == self._provider.server
            if ours and self._options.delete_upload:
                continue
            how = f"delete it there (DELETE {file.server}files/{file.name})"
            if ours:
                how += ", or with --delete-upload when the job has ended"
            self._tell(
                f"the training file {file.name!r} of an earlier job is still at {file.server}, "
                f"with examples that were withdrawn or replaced since: {how}"
            )

    async def delete(self) -> None:
        """Delete the uploads of a job that has ended and of those before it, if it is asked for.

        What another server has is left there: its names may be other files' here.
        """
        if not self._options.delete_upload:
            return
        note = self._book.note
        if note.file and not note.file_deleted:
            await self._provider.delete_file(note.file)
            self._book.put(file_deleted=True)
        for file in note.earlier_files:
            if file.server == self._provider.server:
                await self._provider.delete_file(file.name)
                left = self._book.note.earlier_files
                self._book.put(earlier_files=tuple(one for one in left if one != file))
