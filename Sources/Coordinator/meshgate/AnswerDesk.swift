// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Synchronization

/// Brings the answer of a single order, which a person gave and waits for, back to whoever waits. Such orders belong to no run.
final class AnswerDesk: Sendable {
    enum Answer: Sendable {
        case answered(TaskReport)
        case notConnected
        case silent
    }

    static let prefix = "ask:"
    /// How a task begins whose answer is for the one who asks alone.
    static let privatePrefix = "ask:private:"

    private let waiting = Mutex<[TaskID: AsyncStream<TaskReport>.Continuation]>([:])

    /// Hands a report over, when somebody waits for it.
    func take(_ report: TaskReport) {
        guard report.task.text.hasPrefix(Self.prefix) else { return }
        _ = waiting.withLock { $0[report.task] }?.yield(report)
    }

    /// `send` says whether the task left; then an answer may take as long as `patience`.
    func answer(to task: NodeTask, within patience: Duration, _ send: (NodeTask) async -> Bool) async -> Answer {
        let (answers, inlet) = AsyncStream.makeStream(of: TaskReport.self, bufferingPolicy: .bufferingNewest(1))
        waiting.withLock { $0[task.id] = inlet }
        defer { waiting.withLock { _ = $0.removeValue(forKey: task.id) } }
        guard await send(task) else { return .notConnected }
        return await withTaskGroup(of: TaskReport?.self) { group in
            group.addTask { await answers.first { _ in true } }
            group.addTask {
                try? await Task.sleep(for: patience)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first.map(Answer.answered) ?? .silent
        }
    }
}
