// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// One child process and the loop that feeds it, hears it and ends it.
///
///     running -- deadline or cancellation --> asked (TERM or INT) -- grace over --> KILL sent -- still there after a while --> left behind
///        \_____________ ended by itself ________\________________________________\--> group killed, pipes emptied, reaped
struct ChildProcess {
    private enum Phase {
        case running
        case asked(killAt: ContinuousClock.Instant)
        case killSent(giveUpAt: ContinuousClock.Instant)
    }
    private enum Cause { case deadline, cancellation }

    /// A process in the kernel's uninterruptible sleep outlives KILL; we do not.
    private static let patienceAfterKill = Duration.seconds(5)

    private let invocation: Invocation
    private let cancelled: WakeUp
    private let clock = ContinuousClock()
    private let startedAt: ContinuousClock.Instant
    private let pid: Int32
    private var reaped = false
    private var ended: Int32 = -1
    private var input: Int32 = -1
    private var output: OutputPipe
    private var error: OutputPipe
    private var unsent: ArraySlice<UInt8>
    private var phase = Phase.running
    private var cause: Cause?

    init(_ invocation: Invocation, path: String, cancelled: WakeUp, onOutput: OutputObserver?) throws {
        self.invocation = invocation
        self.cancelled = cancelled
        unsent = invocation.standardInput[...]
        let pipes = try Pipes()
        startedAt = clock.now
        pid = try Self.spawn(invocation, path, pipes)
        let ours = pipes.keepOurs()
        input = ours.input
        output = OutputPipe(ours.output, .standardOutput, limit: invocation.outputLimit, observer: onOutput)
        error = OutputPipe(ours.error, .standardError, limit: invocation.outputLimit, observer: onOutput)
        ended = meshgate_pidfd_open(pid)
        guard ended >= 0 else {
            let number = -ended
            ended = -1
            kill(-pid, SIGKILL)
            closeAll()
            reapIfLeft()
            throw SystemError.commandNotStarted(path: path, doing: "watch it", errno: number)
        }
    }

    /// Until the child has ended or is given up. Afterwards call `closeAll` and `reapIfLeft`.
    mutating func watch() throws -> CommandResult {
        closeInputIfAllSent()
        while true {
            var watched = [
                pollfd(fd: ended, events: Int16(POLLIN), revents: 0),
                pollfd(fd: cause == nil ? cancelled.descriptor : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: output.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: error.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: unsent.isEmpty ? -1 : input, events: Int16(POLLOUT), revents: 0),
            ]
            let count = poll(&watched, nfds_t(watched.count), nextTimeout())
            if count < 0, errno != EINTR { throw SystemError.failed(doing: "watch a child", on: invocation.executable, errno: errno) }
            if count > 0 {
                if watched[2].revents != 0 { output.hear() }
                if watched[3].revents != 0 { error.hear() }
                if watched[4].revents != 0 { feed() }
                if watched[0].revents != 0 { return try finish() }
                if watched[1].revents != 0 { stop(because: .cancellation) }
            }
            if try isGivenUp() { return result(.timedOut) }
        }
    }

    /// Lets go of every descriptor.
    mutating func closeAll() {
        Self.close(&ended)
        Self.close(&input)
        output.close()
        error.close()
    }

    /// Waits, however long, for a child that was given up, so that its pid is freed and PDEATHSIG stays armed.
    mutating func reapIfLeft() {
        guard !reaped else { return }
        var (code, signal): (Int32, Int32) = (0, 0)
        meshgate_reap(pid, &code, &signal)
        reaped = true
    }

    // MARK: Time

    /// Milliseconds for poll(2), rounded up so that we never spin just before an instant.
    private func nextTimeout() -> Int32 {
        let instant =
            switch phase {
            case .running: startedAt.advanced(by: invocation.deadline)
            case .asked(let killAt): killAt
            case .killSent(let giveUpAt): giveUpAt
            }
        let left = clock.now.duration(to: instant).components
        guard left.seconds >= 0, left.attoseconds >= 0 else { return 0 }
        return Int32(min(left.seconds, 3600) * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1)
    }

    /// Takes the next step towards an end when its time has come; true when nothing is left to try.
    private mutating func isGivenUp() throws -> Bool {
        let now = clock.now
        switch phase {
        case .running:
            if now >= startedAt.advanced(by: invocation.deadline) { stop(because: .deadline) }
        case .asked(let killAt):
            if now >= killAt {
                kill(-pid, SIGKILL)
                phase = .killSent(giveUpAt: now.advanced(by: Self.patienceAfterKill))
            }
        case .killSent(let giveUpAt):
            if now >= giveUpAt {
                if cause == .cancellation { throw CancellationError() }
                return true
            }
        }
        return false
    }

    private mutating func stop(because cause: Cause) {
        guard self.cause == nil else { return }
        self.cause = cause
        // A tool that holds on until its input ends takes that for the kinder word.
        if invocation.keepsInputOpen { Self.close(&input) }
        kill(-pid, invocation.ending == .interrupt ? SIGINT : SIGTERM)
        phase = .asked(killAt: clock.now.advanced(by: invocation.grace))
    }

    // MARK: End

    private mutating func finish() throws -> CommandResult {
        // Before reaping: while the zombie holds the pid, the group cannot be somebody else's.
        kill(-pid, SIGKILL)
        output.empty()
        error.empty()
        var (code, signal): (Int32, Int32) = (0, 0)
        let outcome = meshgate_reap(pid, &code, &signal)
        reaped = true
        guard outcome == 0 else { throw SystemError.failed(doing: "wait for a child", on: invocation.executable, errno: -outcome) }
        switch cause {
        case .cancellation: throw CancellationError()
        case .deadline: return result(.timedOut)
        case nil: return result(signal == 0 ? .exited(code) : .signalled(signal))
        }
    }

    private mutating func result(_ exit: CommandResult.Exit) -> CommandResult {
        output.finish()
        error.finish()
        return CommandResult(
            exit: exit, standardOutput: output.kept.bytes, standardError: error.kept.bytes,
            droppedBytes: output.kept.dropped + error.kept.dropped, duration: startedAt.duration(to: clock.now))
    }

    private mutating func feed() {
        let count = unsent.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
        if count >= 0 {
            unsent = unsent.dropFirst(count)
        } else if errno != EAGAIN, errno != EINTR {
            unsent = []  // The child closed its input; that is its right.
        }
        closeInputIfAllSent()
    }

    private mutating func closeInputIfAllSent() {
        if unsent.isEmpty, !invocation.keepsInputOpen { Self.close(&input) }
    }

    private static func close(_ descriptor: inout Int32) {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
}
