package text

import (
	"fmt"
	"strings"
	"unicode"
)

// around is what people copy along with a word that a surface shows as one to type,
// once it is folded.
const around = "`'\"*_"

// Fold is a word as identifiers are compared: the name of a Region, a step, a verb, a
// mode. Dashes and quotes of every kind are the plain ones, full-width letters too,
// every space is one, invisible marks, and quotes around it, are gone, and case does
// not count. A letter of another script stays what it is: Strange names it.
func Fold(word string) string {
	return strings.ToLower(strings.TrimSpace(strings.Trim(strings.TrimSpace(strings.Map(plain, word)), around)))
}

// plain is a character as an identifier has it; below nothing it is left out.
func plain(r rune) rune {
	switch {
	case r >= '！' && r <= '～': // full width
		return r - '！' + '!'
	case unicode.Is(unicode.Pd, r), r == '−', r == '⁃', r == '﹣':
		return '-'
	case strings.ContainsRune("‘’‚‛′ʼ´", r):
		return '\''
	case strings.ContainsRune("“”„‟″«»", r):
		return '"'
	case unicode.IsSpace(r):
		return ' '
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r), unicode.IsControl(r), r == '\u034f', r == '\u115f', r == '\u3164':
		return -1
	}
	return r
}

// alike are letters of other scripts that look like one of ours.
var alike = map[rune]rune{
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'һ': 'h', 'і': 'i', 'ј': 'j', 'к': 'k', 'ӏ': 'l', 'м': 'm', 'н': 'h',
	'о': 'o', 'р': 'p', 'ԛ': 'q', 'ѕ': 's', 'т': 't', 'у': 'y', 'ѵ': 'v', 'ԝ': 'w', 'х': 'x', 'з': '3',
	'α': 'a', 'ε': 'e', 'ι': 'i', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ω': 'w', 'η': 'n',
	'ı': 'i', 'ɡ': 'g', 'ɑ': 'a', 'ո': 'n', 'ս': 'u', 'օ': 'o', 'հ': 'h', 'ѡ': 'w', 'ꜱ': 's', 'ᴡ': 'w',
}

// Strange names the first character of a word, as Fold leaves it, that no identifier
// has: "its 2nd character is U+0455, a Cyrillic letter that looks like s". It says
// nothing if there is none.
func Strange(word string) Text {
	for i, r := range []rune(Fold(word)) {
		if r < unicode.MaxASCII {
			continue
		}
		say := Format("its %s character is U+%s", ordinal(i+1), fmt.Sprintf("%04X", r))
		if s := script(r); s != "" && unicode.IsLetter(r) {
			say = say.Add(", %s letter", Article(s))
			if like, ok := alike[unicode.ToLower(r)]; ok {
				say = say.Add(" that looks like %s", string(like))
			}
		}
		return say
	}
	return Text{}
}

// script is the name of the script of a letter.
func script(r rune) string {
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) && name != "Common" && name != "Inherited" {
			return strings.ReplaceAll(name, "_", " ")
		}
	}
	return ""
}

// ordinal is a place in a row: 1st, 2nd, 3rd, 11th.
func ordinal(n int) string {
	end := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return fmt.Sprint(n) + end
}
