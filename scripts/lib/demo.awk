# People of a demonstration and what they are to each other: the same ones at each run, since the numbers are our own
# (awk's rand differs from awk to awk). -v people=N. Tab-separated lines, in the order in which they are to be done:
#   person  N  username  display name  place  bio  private
#   follow  A  B         friend  A  B (A asks)         accept  B  A (B says yes)         approve  B  A (B lets A follow)
#
# Circles of about 25 who share an interest: most friendships are inside of one, and half of the rest goes to few people,
# whom many follow (each new follow prefers those who have more already).
function random(below) {
    seed = (seed * 16807) % 2147483647
    return int(seed / 2147483647 * below)
}
function pick(list, count) { return list[random(count) + 1] }
function other_in_circle(a) { return (a % circles) + circles * random(int(people / circles)) }
function somebody() { return followed > 0 && random(3) > 0 ? whom[random(followed)] : random(people) }
function follow(a, b) {
    if (a == b || b >= people || (a, b) in follows) return
    follows[a, b] = 1
    whom[followed++] = b
    print "follow\t" a "\t" b
    if (b % 20 == 7 && random(2)) approved[++approvals] = b "\t" a
}
function befriend(a, b) {
    if (a == b || b >= people || (a, b) in friends || (b, a) in friends) return
    friends[a, b] = 1
    print "friend\t" a "\t" b
    if (random(10) > 0) accepted[++acceptances] = b "\t" a
}
BEGIN {
    OFS = "\t"
    seed = 20260
    first_count = split("Ada Alan Amara Andrei Anna Aoife Bao Beatriz Bram Carmen Chidi Chloe Dara Diego Elif Emeka Emil Eva Farid Fatima Felix Freya " \
        "Grace Hana Hugo Ines Ivan Jana Jonas Kaito Karim Katja Lars Leila Linus Lucia Malik Maya Mei Milan Mira Nadia Niels Nora Olu Omar Petra " \
        "Priya Rafael Rosa Sami Sofia Tariq Tomas Uma Vera Wei Yara Yusuf Zoe", first, " ")
    last_count = split("Abe Adeyemi Almeida Andersen Bauer Bianchi Costa Dubois Eriksen Fischer Garcia Haddad Hansen Horvat Ibrahim Jansen Kaya Khan " \
        "Kowalski Kumar Larsen Lopez Moreau Murphy Nguyen Novak Okafor Petrov Rossi Santos Sato Silva Singh Tanaka Toth Varga Virtanen Weber Yilmaz Zhang", last, " ")
    circles = split("climbing chess gardening photography jazz cycling astronomy baking", interest, " ")
    split("Innsbruck Reykjavik Ghent Porto Leipzig Utrecht Oulu Bologna", place, " ")
    split("Mostly|Always|On weekends|Slowly getting better at|Talk to me about", opening, "|")
    for (i = 0; i < people; i++) {
        do { name = pick(first, first_count) " " pick(last, last_count) } while (name in taken)
        taken[name] = 1
        username = tolower(name)
        sub(/ /, ".", username)
        print "person", i, username, name, place[i % circles + 1], opening[random(5) + 1] " " interest[i % circles + 1] ".", i % 20 == 7 ? "true" : "false"
    }
    for (i = 0; i < people; i++) {
        for (n = 4 + random(8); n > 0; n--) follow(i, other_in_circle(i))
        for (n = 2 + random(5); n > 0; n--) follow(i, somebody())
        for (n = 2 + random(4); n > 0; n--) befriend(i, other_in_circle(i))
        if (random(2)) befriend(i, random(people))
    }
    for (i = 1; i <= acceptances; i++) print "accept\t" accepted[i]
    for (i = 1; i <= approvals; i++) print "approve\t" approved[i]
}
