// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Telemetry

/// The store's files and books. One writer at a time; calls wait for the disk.
struct StoreFiles {
    let configuration: StoreConfiguration
    private(set) var segments: [SegmentInfo] = []
    private(set) var book = LedgerBook()
    private var nextSegment: UInt64 = 1
    /// When the present segment was begun.
    private var begunAt = Timestamp(milliseconds: .max)
    /// What was found damaged at the opening, and what became of it, in words.
    private(set) var setAside: [String] = []
    /// Damaged files that lie in the directory.
    private(set) var damagedSegments = 0

    // MARK: opening

    /// Reads what is there. What a crash left unfinished at the end of the newest segment was never acknowledged and is cut off; where whole records
    /// follow it, it is damage, and the file is set aside as it is.
    init(_ configuration: StoreConfiguration) throws {
        self.configuration = configuration
        let files = LinuxFileStore()
        try files.createDirectory(configuration.directory)
        let names = try files.list(configuration.directory) ?? []
        let numbers = names.compactMap(StoreSegment.number(of:)).sorted()
        for number in numbers {
            let file = try StoreSegment.open(number, in: configuration.directory)
            let info = Self.read(file)
            if let info, info.isSealed || number != numbers.last || !file.hasBlock(after: info.length) {
                segments.append(info)
            } else if info != nil || file.hasBlock(after: 0) {
                let damaged = try file.setAside(keeping: info?.length ?? 0, in: configuration.directory)
                setAside.append(damaged.words)
                if let kept = damaged.rest.flatMap(Self.read) { segments.append(kept) }
            } else {
                // A file that was just begun when the machine stopped has nothing in it.
                try files.remove(file.path)
            }
        }
        // Not the number of a file that was set aside either: whoever remembers a place in it must not find other events there.
        nextSegment = max(numbers.last ?? 0, names.compactMap(StoreSegment.damagedNumber(of:)).max() ?? 0) + 1
        book = Self.replay(segments)
        if let last = segments.last, !last.isSealed {
            last.file.cut(to: last.length)
            // It is as old as what is in it, also after a restart.
            if last.events > 0 { begunAt = Timestamp(milliseconds: last.firstReceived) }
        }
        try countDamaged()
    }

    private static func read(_ file: StoreSegment) -> SegmentInfo? {
        if let entries = file.sealedIndex() {
            var info = SegmentInfo(file: file, length: file.size)
            for entry in entries { info.count(entry.head) }
            info.isSealed = true
            return info
        }
        var info = SegmentInfo(file: file, length: 0)
        var hasBooks = false
        let end = file.scan { type, offset, content in
            if type == .books { hasBooks = true }
            guard type == .block, let (head, _) = try? BlockHead.split(content) else { return }
            info.add(IndexEntry(offset: offset, length: content.count, head: head))
        }
        guard let end, hasBooks else { return nil }
        info.length = end
        return info
    }

    /// The books as the newest segment that has any begins with them, and all batches since.
    private static func replay(_ segments: [SegmentInfo]) -> LedgerBook {
        for (index, segment) in segments.enumerated().reversed() {
            guard let (type, content) = segment.file.record(at: StoreSegment.mark.count), type == .books,
                var book = try? LedgerBook(decoding: content)
            else { continue }
            for segment in segments[index...] {
                for entry in segment.index {
                    if let block = segment.file.block(entry) { book.take(block.batch, of: block.node) }
                }
            }
            return book
        }
        return LedgerBook()
    }

    // MARK: writing

    /// Makes the batches durable together, or none of them, and says what was new. Batches that are known already are passed over.
    @discardableResult
    mutating func append(_ batches: [PreparedBatch], now: Timestamp) throws -> [Arrival] {
        try roll(now)
        guard let (file, length) = segments.last.map({ ($0.file, $0.length) }) else { throw StoreError.closed }
        var next = book
        var bytes: [UInt8] = []
        var entries: [IndexEntry] = []
        var arrivals: [Arrival] = []
        for prepared in batches {
            let ledger = next[prepared.node, prepared.batch.stream]
            let admission = ledger.judge(prepared.batch)
            next.take(prepared.batch, of: prepared.node)
            guard prepared.batch.next > ledger.next else { continue }
            let block = StoredBlock(
                node: prepared.node, cluster: prepared.cluster, receivedAt: prepared.receivedAt.milliseconds,
                skipped: admission.skippedEvents,
                summary: prepared.summary, batch: prepared.batch)
            arrivals.append(Arrival(block, before: ledger.account, after: next[prepared.node, prepared.batch.stream].account))
            let content = block.encoded
            let offset = length + bytes.count + StoreSegment.recordHeader
            bytes += StoreSegment.record(.block, content)
            entries.append(
                IndexEntry(
                    offset: offset, length: content.count,
                    head: BlockHead(
                        node: block.node, cluster: block.cluster, source: block.batch.stream.source, receivedAt: block.receivedAt,
                        skipped: block.skipped, summary: block.summary)))
        }
        if !bytes.isEmpty {
            do {
                try file.write(bytes, at: length)
                try file.sync()
            } catch {
                file.cut(to: length)
                throw error
            }
            // In place: a copy of the segment would be one of its whole index.
            let last = segments.count - 1
            segments[last].length += bytes.count
            for entry in entries { segments[last].add(entry) }
        }
        book = next
        return arrivals
    }

    /// Takes what an agent says about its streams; the numbers that nobody can tell of any more are stored as missing.
    mutating func state(_ statement: SpoolStatement, of node: NodeID, in cluster: ClusterName?, now: Timestamp) throws -> [Arrival] {
        let gaps = book.state(statement, of: node)
        guard !gaps.isEmpty else { return [] }
        return try append(gaps.map { PreparedBatch($0, of: node, in: cluster, receivedAt: now, configuration) }, now: now)
    }

    /// Begins the first segment, and the next one when the present one is long or old enough.
    private mutating func roll(_ now: Timestamp) throws {
        if let last = segments.last, !last.isSealed {
            let isOld = last.events > 0 && (now - begunAt) * 8 > configuration.retainedFor
            guard last.length >= configuration.segmentBytes || isOld else { return }
            try last.file.seal(last.entries, at: last.length)
            segments[segments.count - 1].isSealed = true
            segments[segments.count - 1].entries = []
            segments[segments.count - 1].length = last.file.size
        }
        let file = try StoreSegment.create(nextSegment, in: configuration.directory)
        nextSegment += 1
        let beginning = StoreSegment.mark + StoreSegment.record(.books, book.encoded)
        do {
            try file.write(beginning, at: 0)
            try file.sync()
        } catch {
            try LinuxFileStore().remove(file.path)
            throw error
        }
        begunAt = now
        try countDamaged()
        segments.append(SegmentInfo(file: file, length: beginning.count))
        try retain(now)
    }

    /// Removes segments that are too old or too many bytes, those whose index is damaged too. The one that is being written stays, and the books
    /// with it.
    mutating func retain(_ now: Timestamp) throws {
        let oldest = now.milliseconds - configuration.retainedFor.inMilliseconds
        while segments.count > 1, let first = segments.first,
            bytes > configuration.retainedBytes || first.lastReceived < oldest
        {
            try LinuxFileStore().remove(first.file.path)
            segments.removeFirst()
        }
    }

    /// Somebody may have looked at them and removed them.
    private mutating func countDamaged() throws {
        damagedSegments = (try LinuxFileStore().list(configuration.directory) ?? []).compactMap(StoreSegment.damagedNumber(of:)).count
    }

    var bytes: Int { segments.reduce(0) { $0 + $1.length } }
}
