//! Reading and writing: what each object does with it, and which waiters are woken.

use super::descriptor::{DescriptionId, Fd};
use super::errno::Errno;
use super::events::Events;
use super::{Linux, Object};

impl Linux {
    /// read(2) of up to `max` bytes; empty at the end of a stream.
    ///
    /// # Errors
    /// [`Errno::Again`], and what read(2) says.
    pub fn read(&mut self, fd: Fd, max: usize) -> Result<Vec<u8>, Errno> {
        self.calls += 1;
        let id = self.table.get(fd)?;
        let read = self.read_object(id, max);
        if max > 0 {
            if let Some(description) = self.descriptions.get_mut(&id) {
                description.has_given_end |= read.as_ref().is_ok_and(Vec::is_empty);
            }
            self.note_drained(id);
        }
        read
    }

    fn read_object(&mut self, id: DescriptionId, max: usize) -> Result<Vec<u8>, Errno> {
        match self.object_mut(id).expect("an open number has an object") {
            Object::PipeWriter(_) => Err(Errno::BadDescriptor),
            // A read of nothing says nothing of what there is to read.
            Object::PipeReader | Object::Listener(_) | Object::Stream(_) if max == 0 => Ok(Vec::new()),
            Object::PipeReader => self.read_pipe(id, max),
            Object::Listener(listener) if listener.shut.is_some_and(|shut| shut.read) => Ok(Vec::new()),
            Object::Listener(_) => Err(Errno::NotConnected),
            Object::Epoll(_) => Err(Errno::Invalid),
            Object::Stream(stream) => {
                let (read, segments) = stream.read(max);
                self.send_segments(id, segments);
                read
            }
            Object::Counter(_) if max < 8 => Err(Errno::Invalid),
            Object::Counter(0) => Err(Errno::Again),
            Object::Counter(count) => {
                let bytes = std::mem::take(count).to_ne_bytes().to_vec();
                self.announce(id, Some(Events::OUT));
                Ok(bytes)
            }
            Object::Signals(_) if max == 0 => Err(Errno::Invalid),
            Object::Signals(pending) if pending.is_empty() => Err(Errno::Again),
            // The lowest number first, as many as the buffer has room for.
            Object::Signals(pending) => Ok((0..max).map_while(|_| pending.pop_first()).collect()),
        }
    }

    fn read_pipe(&mut self, id: DescriptionId, max: usize) -> Result<Vec<u8>, Errno> {
        let (pipe, writer) = self.pipes.get_mut(&id).expect("a reader has its pipe");
        let was_full = pipe.is_full();
        let bytes = pipe.read(max);
        if bytes.is_empty() && pipe.has_writer {
            return Err(Errno::Again);
        }
        let (writer, has_room) = (*writer, !pipe.is_full());
        if was_full && has_room {
            self.announce(writer, Some(Events::OUT));
        }
        Ok(bytes)
    }

    /// readv(2): fills buffers of these sizes one after the other. Into none, or empty ones, it reads nothing and gives
    /// no error but that of a descriptor that cannot be read.
    ///
    /// # Errors
    /// Those of [`Linux::read`].
    pub fn read_vectored(&mut self, fd: Fd, sizes: &[usize]) -> Result<Vec<Vec<u8>>, Errno> {
        let object = self.table.get(fd).ok().and_then(|id| self.object_mut(id));
        if sizes.iter().sum::<usize>() == 0 && matches!(object, Some(Object::Counter(_) | Object::Signals(_))) {
            self.calls += 1;
            return Ok(vec![Vec::new(); sizes.len()]);
        }
        let bytes = self.read(fd, sizes.iter().sum())?;
        let mut rest = bytes.as_slice();
        let fill = |size: &usize| {
            let (part, after) = rest.split_at((*size).min(rest.len()));
            rest = after;
            part.to_vec()
        };
        Ok(sizes.iter().map(fill).collect())
    }

    /// Reads the urgent byte of a TCP connection.
    ///
    /// # Errors
    /// [`Errno::Invalid`] if there is none, [`Errno::NotSocket`].
    pub fn read_urgent(&mut self, fd: Fd) -> Result<u8, Errno> {
        self.calls += 1;
        let id = self.table.get(fd)?;
        match self.object_mut(id) {
            Some(Object::Stream(stream)) => stream.read_urgent(),
            Some(Object::Listener(_)) => Err(Errno::Invalid),
            _ => Err(Errno::NotSocket),
        }
    }

    /// write(2). Returns how many bytes were taken.
    ///
    /// # Errors
    /// [`Errno::Again`], [`Errno::BrokenPipe`], and what write(2) says.
    pub fn write(&mut self, fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
        self.calls += 1;
        let id = self.table.get(fd)?;
        self.write_object(id, bytes)
    }

    fn write_object(&mut self, id: DescriptionId, bytes: &[u8]) -> Result<usize, Errno> {
        match self.object_mut(id).expect("an open number has an object") {
            Object::PipeWriter(reader) => {
                let reader = *reader;
                self.write_pipe(reader, bytes)
            }
            Object::PipeReader => Err(Errno::BadDescriptor),
            Object::Listener(_) => Err(Errno::BrokenPipe),
            Object::Epoll(_) | Object::Signals(_) => Err(Errno::Invalid),
            Object::Stream(_) => self.write_stream(id, bytes, false),
            Object::Counter(count) => {
                let added = bytes.get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
                let added = added.filter(|added| *added < u64::MAX).ok_or(Errno::Invalid)?;
                let sum = count.checked_add(added).filter(|sum| *sum < u64::MAX).ok_or(Errno::Again)?;
                *count = sum;
                self.announce(id, Some(Events::IN));
                Ok(8)
            }
        }
    }

    fn write_stream(&mut self, id: DescriptionId, bytes: &[u8], is_urgent: bool) -> Result<usize, Errno> {
        let Some(Object::Stream(stream)) = self.object_mut(id) else { return Err(Errno::NotSocket) };
        let written = stream.write(bytes, is_urgent);
        let (count, segments) = written?;
        self.send_segments(id, segments);
        Ok(count)
    }

    fn write_pipe(&mut self, reader: DescriptionId, bytes: &[u8]) -> Result<usize, Errno> {
        // Not even whether there is a reader is looked at.
        if bytes.is_empty() {
            return Ok(0);
        }
        let (pipe, _) = self.pipes.get_mut(&reader).expect("a writer has its pipe");
        if !pipe.has_reader {
            return Err(Errno::BrokenPipe);
        }
        let count = pipe.write(bytes);
        // Whether the pipe was empty or not, and even if nothing was taken: readers under edge triggering rely on it.
        self.announce(reader, Some(Events::IN));
        if count == 0 { Err(Errno::Again) } else { Ok(count) }
    }

    /// writev(2): the buffers one after the other, as one write; to an eventfd as one write each. Of none, or empty
    /// ones, it writes nothing and gives no error but that of a descriptor that cannot be written.
    ///
    /// # Errors
    /// Those of [`Linux::write`].
    pub fn write_vectored(&mut self, fd: Fd, buffers: &[&[u8]]) -> Result<usize, Errno> {
        self.calls += 1;
        let id = self.table.get(fd)?;
        let is_nothing = buffers.iter().all(|buffer| buffer.is_empty());
        match self.object_mut(id) {
            Some(Object::Stream(_) | Object::Listener(_) | Object::Counter(_)) if is_nothing => Ok(0),
            Some(Object::Counter(_)) => self.write_each(id, buffers),
            _ => self.write_object(id, &buffers.concat()),
        }
    }

    /// Writes until a buffer is not taken as a whole. An error counts only if nothing was taken before.
    fn write_each(&mut self, id: DescriptionId, buffers: &[&[u8]]) -> Result<usize, Errno> {
        let mut sum = 0;
        for buffer in buffers {
            let count = match self.write_object(id, buffer) {
                Ok(count) => count,
                Err(error) if sum == 0 => return Err(error),
                Err(_) => break,
            };
            sum += count;
            if count < buffer.len() {
                break;
            }
        }
        Ok(sum)
    }

    /// Sends an urgent byte (`MSG_OOB`) over TCP.
    ///
    /// # Errors
    /// Those of [`Linux::write`].
    pub fn write_urgent(&mut self, fd: Fd, byte: u8) -> Result<usize, Errno> {
        self.calls += 1;
        let id = self.table.get(fd)?;
        match self.object_mut(id) {
            Some(Object::Listener(_)) => Err(Errno::BrokenPipe),
            _ => self.write_stream(id, &[byte], true),
        }
    }
}
