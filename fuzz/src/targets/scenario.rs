//! Scenario files.

use acklog_sim::scenario::Script;

/// An error names a line of the file. What is read has the file's lines, in order, each once, and
/// each is the same step by itself.
pub fn scenario(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let lines: Vec<&str> = text.lines().collect();
    let script = match Script::parse(text) {
        Ok(script) => script,
        Err(bad) => {
            assert!((1..=lines.len()).contains(&bad.line), "no such line: {bad}");
            assert!(!bad.reason.is_empty(), "line {} is refused without a reason", bad.line);
            return;
        }
    };
    let mut before = 0;
    for line in script.lines() {
        assert!(line.number > before, "line {} comes behind line {before}", line.number);
        before = line.number;
        let written = lines.get(line.number - 1).expect("a line of the file");
        assert_eq!(line.text, written.trim());
        let alone = Script::parse(&line.text).expect("the line alone");
        let [step] = alone.lines().map(|line| &line.step).collect::<Vec<_>>()[..] else {
            panic!("one line is several steps: {:?}", line.text)
        };
        assert_eq!(format!("{step:?}"), format!("{:?}", line.step));
    }
}
