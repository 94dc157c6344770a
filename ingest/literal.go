package ingest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is far beyond what a list of spans needs.
const maxDepth = 16

// parseLiteral reads a value written as JSON or, as pandas and str() leave it
// in CSV cells, as a Python literal: lists, tuples, dicts, strings in either
// quotes, numbers, True, False and None. What comes out is as encoding/json
// gives it with UseNumber.
func parseLiteral(s string) (any, error) {
	p := literal{s: s}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.blank(); p.i < len(p.s) {
		return nil, p.fail("end")
	}
	return v, nil
}

type literal struct {
	s string
	i int
}

func (p *literal) fail(want string) error {
	return fmt.Errorf("neither JSON nor a Python literal: want %s at byte %d", want, p.i)
}

func (p *literal) blank() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// peek is the next byte that is not blank, 0 at the end.
func (p *literal) peek() byte {
	p.blank()
	if p.i >= len(p.s) {
		return 0
	}
	return p.s[p.i]
}

func (p *literal) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, p.fail("fewer nested lists")
	}
	switch p.peek() {
	case '[':
		return p.list(']', depth)
	case '(':
		return p.list(')', depth)
	case '{':
		return p.dict(depth)
	case '"', '\'':
		return p.text()
	}
	return p.word()
}

func (p *literal) list(end byte, depth int) (any, error) {
	p.i++
	list := []any{}
	for p.peek() != end {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if c := p.peek(); c == ',' {
			p.i++
		} else if c != end {
			return nil, p.fail("a comma or " + string(rune(end)))
		}
	}
	p.i++
	return list, nil
}

func (p *literal) dict(depth int) (any, error) {
	p.i++
	dict := map[string]any{}
	for p.peek() != '}' {
		if c := p.peek(); c != '"' && c != '\'' {
			return nil, p.fail("a key in quotes")
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if p.peek() != ':' {
			return nil, p.fail("a colon")
		}
		p.i++
		if dict[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if c := p.peek(); c == ',' {
			p.i++
		} else if c != '}' {
			return nil, p.fail("a comma or }")
		}
	}
	p.i++
	return dict, nil
}

// word reads a number or a name.
func (p *literal) word() (any, error) {
	end := p.i
	for end < len(p.s) && strings.IndexByte(" \t\r\n,:[](){}'\"", p.s[end]) < 0 {
		end++
	}
	word := p.s[p.i:end]
	switch word {
	case "None", "null":
		p.i = end
		return nil, nil
	case "True", "true":
		p.i = end
		return true, nil
	case "False", "false":
		p.i = end
		return false, nil
	}
	if _, err := parseSeconds(word); err != nil {
		return nil, p.fail("a value")
	}
	p.i = end
	return json.Number(word), nil
}

// text reads a string in the quotes at which it starts.
func (p *literal) text() (string, error) {
	quote := p.s[p.i]
	p.i++
	var b strings.Builder
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch c {
		case quote:
			return b.String(), nil
		case '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b.WriteString(r)
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail("the string's end")
}

// escape reads what follows a backslash, as JSON and Python have it.
func (p *literal) escape() (string, error) {
	if p.i >= len(p.s) {
		return "", p.fail("the string's end")
	}
	c := p.s[p.i]
	p.i++
	switch c {
	case 'n':
		return "\n", nil
	case 't':
		return "\t", nil
	case 'r':
		return "\r", nil
	case 'b':
		return "\b", nil
	case 'f':
		return "\f", nil
	case '"', '\'', '\\', '/':
		return string(rune(c)), nil
	case 'x':
		return p.code(2)
	case 'u':
		return p.code(4)
	case 'U':
		return p.code(8)
	}
	return "\\" + string(rune(c)), nil // Python keeps unknown escapes
}

// code reads a character by its number in hex.
func (p *literal) code(n int) (string, error) {
	if p.i+n > len(p.s) {
		return "", p.fail("hex digits")
	}
	v, err := strconv.ParseUint(p.s[p.i:p.i+n], 16, 32)
	if err != nil {
		return "", p.fail("hex digits")
	}
	p.i += n
	// JSON writes characters beyond U+FFFF as two halves.
	if 0xD800 <= v && v < 0xDC00 && strings.HasPrefix(p.s[p.i:], `\u`) && p.i+6 <= len(p.s) {
		low, err := strconv.ParseUint(p.s[p.i+2:p.i+6], 16, 32)
		if err == nil && 0xDC00 <= low && low < 0xE000 {
			p.i += 6
			v = 0x10000 + (v-0xD800)<<10 + (low - 0xDC00)
		}
	}
	if v > utf8.MaxRune {
		return "", p.fail("a character")
	}
	return string(rune(v)), nil
}
