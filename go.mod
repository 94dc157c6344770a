module micodata

go 1.26
