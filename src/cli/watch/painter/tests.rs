//! What a terminal shows of what it is sent.

use super::super::picture::{BAD, Picture};
use super::*;

fn picture(rows: &[&str]) -> Picture {
    let mut picture = Picture::new(20, rows.len());
    for (row, text) in rows.iter().enumerate() {
        picture.put(row, 0, 20, text, BAD);
    }
    picture
}

#[test]
fn only_rows_that_changed_are_drawn() {
    let mut painter = Painter::new(true);
    let first = painter.paint(picture(&["one", "two"]));
    assert!(first.contains("\x1b[2J") && first.contains("\x1b[1;31mone\x1b[0m"), "{first:?}");
    let second = painter.paint(picture(&["one", "three"]));
    assert!(second.contains("\x1b[2;1H") && !second.contains("one"), "{second:?}");
    assert_eq!(painter.paint(picture(&["one", "three"])), "");
    painter.forget();
    assert!(painter.paint(picture(&["one", "three"])).contains("one"));
}

#[test]
fn without_colour_bold_text_is_still_bold() {
    let drawn = Painter::new(false).paint(picture(&["one"]));
    assert!(drawn.contains("\x1b[1mone\x1b[0m") && !drawn.contains("31"), "{drawn:?}");
}

#[test]
fn a_terminal_shows_each_piece_at_its_column_and_nothing_of_before() {
    let mut terminal = vt100::Parser::new(4.try_into().unwrap(), 30.try_into().unwrap(), 0);
    let mut painter = Painter::new(true);
    terminal.process(ENTER.as_bytes());
    let hostile = ["\x1b[2J\x1b[10;10H", "日本語日本語日本語", "e\u{301}\u{301}", "👨‍👩‍👧‍👦 family", "x"];
    for text in hostile {
        let mut picture = Picture::new(30, 4);
        for row in 0..4 {
            picture.put(row, 0, 12, text, BAD);
            picture.put(row, 13, 1, "│", BAD);
            picture.put(row, 15, 15, text, BAD);
        }
        terminal.process(painter.paint(picture).as_bytes());
        let screen = terminal.screen();
        for row in 0..4 {
            let line = |column| screen.cell(row, column).unwrap().contents().to_owned();
            assert_eq!(line(13), "│", "{text:?}:\n{}", screen.contents());
            assert_eq!(line(12), "", "{text:?}:\n{}", screen.contents());
        }
    }
    let rows: Vec<_> = terminal.screen().contents().lines().map(str::to_owned).collect();
    assert_eq!(rows, ["x            │ x"; 4]);
    assert!(terminal.screen().alternate_screen() && terminal.screen().hide_cursor());
    terminal.process(LEAVE.as_bytes());
    assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
}
