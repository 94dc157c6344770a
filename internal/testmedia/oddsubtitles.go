package testmedia

// oddSubtitles are files whose cues are odd, rather than their encoding.
func oddSubtitles() []Subtitle {
	return []Subtitle{
		{"overlapping.srt", []byte(`1
00:00:02,000 --> 00:00:04,000
second by time, first in the file

2
00:00:00,500 --> 00:00:03,000
overlaps the other

3
00:00:02,000 --> 00:00:04,000
same time as the first

`), []Cue{
			{2, 4, "second by time, first in the file"}, {0.5, 3, "overlaps the other"}, {2, 4, "same time as the first"},
		}, "unsorted and overlapping"},
		{"tags.srt", []byte(`1
00:00:00,500 --> 00:00:01,500
<i>Hello</i> <font color="#ff0000">red</font> <b><u>world</u></b>

2
00:00:02,000 --> 00:00:03,000
{\an8}at the top, 3 < 4 & 5 > 4

`), []Cue{{0.5, 1.5, "Hello red world"}, {2, 3, "at the top, 3 < 4 & 5 > 4"}}, "HTML-like tags, ASS overrides, and signs that are neither"},
		{"loose.srt", []byte(`00:00:00.500 --> 00:00:01.500
no number, dots for commas

7
0:0:2,0 --> 0:0:3,0
short fields

7
00:00:04,000  -->   00:00:05,000  X1:100 X2:200 Y1:10 Y2:20
the same number again, coordinates


`), []Cue{
			{0.5, 1.5, "no number, dots for commas"}, {2, 3, "short fields"}, {4, 5, "the same number again, coordinates"},
		}, "not by the book, but clear"},
		{"malformed.srt", []byte(`1
00:00:00,500 --> 00:00:01,500
good

2
00:00:02,000 -->
no end

3
00:00:05,000 --> 00:00:04,000
ends before it starts

4
ab:cd:ef,ghi --> 00:00:06,000
no digits

5
99999999999999999999:00:00,000 --> 99999999999999999999:00:01,000
too big for any clock

6
00:00:07,000 --> 00:00:08,000

7
00:00:09,000 --> 00:00:10,000
good again
`), []Cue{{0.5, 1.5, "good"}, {9, 10, "good again"}}, "cues without an end, before their start, without digits, too late, without text"},
		{"features.vtt", []byte(`WEBVTT - Some title
Kind: captions
Language: en

STYLE
::cue { color: lime }

REGION
id:bill
width:40%

NOTE
00:00:00.000 --> 00:00:09.000 is not a cue here,
nor is this line

intro
00:00.500 --> 00:01.500 align:start position:0%
<v Fred Bloggs>Hi, <c.yellow.bg_blue>I am</c> Fred &amp; &lt;you&gt;</v>

00:00:02.000 --> 00:00:03.000 line:-1
<00:00:02.000><c>karaoke </c><00:00:02.500><c>style</c>

NOTE a comment in one line

100:00:00.000 --> 100:00:01.000
after a hundred hours
`), []Cue{
			{0.5, 1.5, "Hi, I am Fred & <you>"}, {2, 3, "karaoke style"}, {360000, 360001, "after a hundred hours"},
		}, "identifiers, settings, short times, voices, classes, entities, STYLE, REGION and NOTE blocks"},
		{"rolling.vtt", []byte(`WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.070 align:start position:0%
 
hello<00:00:00.480><c> and</c><00:00:00.719><c> welcome</c>

00:00:02.070 --> 00:00:02.080 align:start position:0%
hello and welcome
 

00:00:02.080 --> 00:00:04.000 align:start position:0%
hello and welcome
to<00:00:02.399><c> the</c><00:00:02.800><c> show</c>
`), []Cue{
			{0.16, 2.07, "hello and welcome"}, {2.07, 2.08, "hello and welcome"}, {2.08, 4, "hello and welcome\nto the show"},
		}, "automatic captions of a video site, as yt-dlp saves them: each line is shown twice or thrice; text is given with blank lines trimmed"},
	}
}
